/** Makes text from outside harmless on a terminal. */

/**
 * Control characters, line and paragraph separators, direction marks, invisible tags, and halves of surrogate pairs. A
 * terminal obeys the first; the others change the order or the width of what follows.
 */
const UNSAFE =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Replaces such characters by their escapes, like `\n`, `\u001b` and `\u202e`. Idempotent. */
export const escapeControls = (text: string): string =>
  text.replace(UNSAFE, (character) => NAMED[character] ?? escapeOf(character.codePointAt(0)!));

const escapeOf = (code: number): string =>
  code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
