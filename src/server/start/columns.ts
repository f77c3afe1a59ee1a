/** Aligns and wraps text in the columns of a terminal, in which Chinese characters are two wide. */

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
/** A wide character, or a word with the spaces before it. */
const PIECES = new RegExp(`\\s*(?:${WIDE.source}|(?:(?!${WIDE.source})\\S)+)`, 'gu');

/** Returns the number of columns of a text. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += WIDE.test(character) ? 2 : 1;
  return columns;
}

export const padColumns = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - columnsOf(text)));

/** Returns the lines of a text. A word that is longer than a line is not divided, so that it can be copied. */
export function wrapColumns(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const [piece] of text.matchAll(PIECES)) {
    if (line !== '' && columnsOf(line + piece) > columns) {
      lines.push(line);
      line = piece.trimStart();
    } else line += line === '' ? piece.trimStart() : piece;
  }
  return line === '' ? lines : [...lines, line];
}
