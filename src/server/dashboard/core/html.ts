/**
 * Builds HTML in which every inserted value is escaped. A template engine was not used, because two rules must hold for
 * each value without a thought of the author of a page: markup comes only from our own templates, and text from outside is
 * isolated ({@link outside}).
 */

/** Markup that is safe to send. Only the functions of this file make it. */
export class Html {
  readonly text: string;
  private constructor(text: string) {
    this.text = text;
  }
  /** For this file only: the text must be markup of our own. */
  static trusted(text: string): Html {
    return new Html(text);
  }
  toString(): string {
    return this.text;
  }
}

/** `false`, null and undefined are left out, so that `condition && html…` may be written. */
export type Child = Html | string | number | false | null | undefined | readonly Child[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for the content of an element and for an attribute in quotes. */
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);

function render(child: Child): string {
  if (child === false || child === null || child === undefined) return '';
  if (child instanceof Html) return child.text;
  if (Array.isArray(child)) return child.map(render).join('');
  return escapeHtml(String(child));
}

/** A template of markup: html`<p>${text}</p>`. Values are escaped, except markup made by this function. */
export function html(parts: TemplateStringsArray, ...children: readonly Child[]): Html {
  let text = parts[0]!;
  children.forEach((child, index) => {
    text += render(child) + parts[index + 1]!;
  });
  return Html.trusted(text);
}

type Attribute = string | number | boolean | null | undefined;

/** Returns attributes for use inside a tag. `true` gives an attribute without a value; false, null, undefined none. */
export function attributes(values: Readonly<Record<string, Attribute>>): Html {
  const text = Object.entries(values)
    .filter(([, value]) => value !== false && value !== null && value !== undefined)
    .map(([name, value]) => (value === true ? ` ${name}` : ` ${name}="${escapeHtml(String(value))}"`));
  return Html.trusted(text.join(''));
}

/**
 * Characters that are invisible, or that change the order of what is seen: controls, direction marks (U+202E), zero-width
 * characters. U+200D and U+FE0F are left alone, because emoji are made of them.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;
const JOINER = '\u200d';

/** Replaces each invisible character by what `show` makes of its name, `U+202E`. */
function nameInvisible(text: string, show: (name: string) => string): string {
  return text.replace(INVISIBLE, (character) => {
    if (character === JOINER) return character;
    return show(`U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`);
  });
}

/** Text from outside for an attribute or a title: invisible characters are shown by their names. */
export const visible = (text: string): string => nameInvisible(text, (name) => `[${name}]`);

/**
 * Text from outside (an openId, a file name, an error text) as an isolated element: its direction cannot change the
 * order of the text around it, and invisible characters are shown by their names.
 */
export function outside(text: string | number): Html {
  // Escaping changes no invisible character, and adds none.
  const shown = nameInvisible(escapeHtml(String(text)), (name) => `<span class="escape">${name}</span>`);
  return Html.trusted(`<bdi>${shown}</bdi>`);
}
