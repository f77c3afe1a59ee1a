/** Small pieces that many pages use. */
import type { Status } from '../../../media.ts';
import type { ApiProblem } from '../core/api.ts';
import { attributes, type Child, type Html, html, outside, visible } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import { WORDS } from '../texts/words.ts';

/**
 * A time. Without scripts it is the exact one with its zone. With scripts, `relative` times become "5 min ago" and
 * keep the exact time as title.
 */
export function time(locale: Locale, at: string | undefined | null, relative = true): Html {
  if (!at) return html`–`;
  const exact = locale.exact(at);
  return html`<time datetime="${at}" title="${exact}"${relative && html` data-relative`}>${exact}</time>`;
}

export const chip = (locale: Locale, status: Status): Html =>
  html`<span class="chip" data-status="${status}">${locale.of(WORDS).status[status]}</span>`;

/** A button that copies a text. It is hidden until the script that does it has loaded. */
export const copyButton = (locale: Locale, text: string, label?: string): Html =>
  html`<button type="button" class="button small" data-copy="${text}" data-done="${locale.of(WORDS).copied}" hidden${
    label === undefined ? '' : attributes({ 'aria-label': `${locale.of(WORDS).copy}: ${visible(label)}` })
  }>${locale.of(WORDS).copy}</button>`;

export interface Fact {
  readonly name: string;
  readonly value: Child;
  /** The text that its button copies. */
  readonly copy?: string | undefined;
}

/** Names and values. Facts without a value are left out. */
export const facts = (locale: Locale, list: readonly (Fact | undefined | false)[]): Html =>
  html`<dl class="facts-list">${list
    .filter((fact) => fact && fact.value !== undefined && fact.value !== null && fact.value !== '')
    .map((fact) => {
      const { name, value, copy } = fact as Fact;
      return html`<div><dt>${name}</dt><dd>${value}${copy !== undefined && copyButton(locale, copy, name)}</dd></div>`;
    })}</dl>`;

export const code = (text: string | number): Html => html`<code>${outside(text)}</code>`;

/** A section with a heading. */
export const panel = (
  id: string,
  title: string,
  content: Child,
  options: { aside?: Child; class?: string } = {},
): Html =>
  html`<section class="panel ${options.class}" id="${id}" aria-labelledby="${id}-title">
<div class="panel-head"><h2 id="${id}-title">${title}</h2>${options.aside}</div>
${content}
</section>`;

/**
 * A table with a caption that screen readers hear. It scrolls inside its box on narrow screens. The box is no region:
 * a landmark for each table would hide those that structure the page.
 */
export const table = (caption: string, heads: readonly Child[], rows: readonly (readonly Child[])[]): Html =>
  html`<div class="table-box" tabindex="0" role="group" aria-label="${caption}"><table>
<caption class="visually-hidden">${caption}</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
</table></div>`;

export const empty = (text: Child): Html => html`<p class="empty">${text}</p>`;

export const link = (href: string, text: Child, classes?: string): Html =>
  html`<a href="${href}"${attributes({ class: classes })}>${text}</a>`;

/** What went wrong with a form, at its top: the sentence, the advice, and each field with its mistake. */
export function problemBox(problem: ApiProblem | undefined): Html | undefined {
  if (!problem) return undefined;
  return html`<div class="notice bad" role="alert"><p><strong>${outside(problem.detail ?? problem.title)}</strong></p>
<p>${problem.advice}</p>
${
  problem.errors &&
  html`<ul>${problem.errors.map(({ field, message }) => html`<li>${outside(field)}: ${outside(message)}</li>`)}</ul>`
}</div>`;
}
