/** Pieces of forms: labelled fields, and buttons that act at once. */
import { attributes, type Child, type Html, html, visible } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import { WORDS } from '../texts/words.ts';

type Attributes = Parameters<typeof attributes>[0];

export interface FieldOptions {
  readonly value?: string | undefined;
  /** Below the field; it is read together with its label. */
  readonly hint?: Child;
  /** What is wrong with the value that was sent. */
  readonly mistake?: string | undefined;
  readonly attributes?: Attributes;
}

/** Hint and mistake of a field, and the attributes that connect them with it. */
function notes(id: string, { hint, mistake }: FieldOptions) {
  const ids = [mistake && `${id}-mistake`, hint && `${id}-hint`].filter(Boolean).join(' ');
  return {
    html: html`${mistake && html`<span class="mistake" id="${id}-mistake">${mistake}</span>`}${hint && html`<span class="hint" id="${id}-hint">${hint}</span>`}`,
    attributes: attributes({
      'aria-describedby': ids || undefined,
      'aria-invalid': mistake ? 'true' : undefined,
    }),
  };
}

export function textField(name: string, label: string, options: FieldOptions = {}): Html {
  const id = `f-${name}`;
  const { html: below, attributes: described } = notes(id, options);
  return html`<p class="field"><label for="${id}">${label}</label><input id="${id}" name="${name}" value="${options.value ?? ''}"${attributes({ autocomplete: 'off', ...options.attributes })}${described}>${below}</p>`;
}

export type Choice = readonly [value: string, text: string];

export function selectField(
  name: string,
  label: string,
  choices: readonly Choice[],
  options: FieldOptions = {},
): Html {
  const id = `f-${name}`;
  const { html: below, attributes: described } = notes(id, options);
  return html`<p class="field"><label for="${id}">${label}</label><select id="${id}" name="${name}"${attributes(options.attributes ?? {})}${described}>${choices.map(
    ([value, text]) =>
      html`<option value="${value}"${attributes({ selected: value === (options.value ?? '') })}>${text}</option>`,
  )}</select>${below}</p>`;
}

/** One of several values, all in sight. A choice may have a field of its own below its text. */
export function radioField(
  name: string,
  legend: string,
  choices: readonly (readonly [value: string, text: Child, more?: Child])[],
  chosen: string,
): Html {
  return html`<fieldset class="radios"><legend>${legend}</legend>${choices.map(
    ([value, text, more]) =>
      html`<div><label><input type="radio" name="${name}" value="${value}"${attributes({ checked: value === chosen })}> ${text}</label>${more}</div>`,
  )}</fieldset>`;
}

export const checkbox = (
  name: string,
  text: Child,
  { isChecked, isRequired = false }: { isChecked: boolean; isRequired?: boolean },
): Html =>
  html`<p class="check"><label><input type="checkbox" name="${name}" value="on"${attributes({ checked: isChecked, required: isRequired })}> ${text}</label></p>`;

/** Why it is done. The audit log keeps it permanently, so the field warns against personal data. */
export function reasonField(
  locale: Locale,
  value: string | undefined,
  { isRequired = false, mistake }: { isRequired?: boolean; mistake?: string | undefined } = {},
): Html {
  const words = locale.of(WORDS);
  return textField('reason', words.reason, {
    value,
    hint: words.reasonHint,
    mistake,
    attributes: { maxlength: 300, required: isRequired },
  });
}

/**
 * A button that acts at once. `about` is the target, for screen readers: several buttons of a page may have the same
 * text.
 */
export function actionButton(
  action: string,
  text: string,
  options: { about?: string; fields?: Readonly<Record<string, string>>; class?: string } = {},
): Html {
  const { about, fields = {} } = options;
  return html`<form method="post" action="${action}" class="inline-form">${Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )}<button type="submit" class="button ${options.class}"${attributes({ 'aria-label': about === undefined ? undefined : `${text}: ${visible(about)}` })}>${text}</button></form>`;
}

/** A link that looks like a button, and leads to a page that asks or shows. `about` is as in {@link actionButton}. */
export const actionLink = (href: string, text: string, about: string | number, classes = ''): Html =>
  html`<a class="button ${classes}" href="${href}" aria-label="${text}: ${visible(String(about))}">${text}</a>`;

/** The end of a form that asks before something is done. */
export const formEnd = (locale: Locale, submit: string, back: string, isDanger = false): Html =>
  html`<p class="choices"><button type="submit" class="primary${isDanger && ' danger'}">${submit}</button> <a class="button" href="${back}">${locale.of(WORDS).cancel}</a></p>`;
