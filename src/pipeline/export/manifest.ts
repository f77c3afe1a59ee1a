/** The manifest of an export: a CSV with a line for every item, that a spreadsheet shows as text. */
import type { MediaRow } from '../../catalogue/media/row.ts';

const COLUMNS = [
  'id',
  'account',
  'kind',
  'status',
  'sentAt',
  'sizeBytes',
  'sha256',
  'fileName',
  'path',
  'failure',
] as const;

type Cells = Partial<Record<(typeof COLUMNS)[number], string>>;

export interface Manifest {
  /** Adds an item with its path in the ZIP, or with the reason why it is not there. */
  add(row: MediaRow, result: { readonly path?: string; readonly failure?: string }): void;
  /** The file, in chunks. Excel reads UTF-8 only with the byte order mark at the beginning. */
  chunks(): readonly Buffer[];
}

/** In East Asian locales a spreadsheet takes the wide forms for the signs too. */
const FORMULA = /^[\s\p{Cf}]*[=+\-@＝＋－＠]/u;
/** Marks that change the direction of the text after them. */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const CHUNK_BYTES = 64 * 1024;

const escapeMark = (mark: string) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Returns a cell. Users choose the names of their files: a name that begins like a formula gets an apostrophe in front,
 * so that a spreadsheet does not run it (https://owasp.org/www-community/attacks/CSV_Injection).
 */
export function csvCell(text: string): string {
  const visible = text.replaceAll(/\p{Cc}/gu, ' ').replaceAll(DIRECTION, escapeMark);
  const safe = FORMULA.test(text) || /^[\t\r\n]/.test(text) ? `'${visible}` : visible;
  return `"${safe.replaceAll('"', '""')}"`;
}

export function createManifest(): Manifest {
  const chunks: Buffer[] = [];
  let text = `\ufeff${COLUMNS.join(',')}\r\n`;

  return {
    add: (row, { path, failure }) => {
      const { id, account, kind, status, sentAt, sizeBytes, sha256, fileName } = row;
      const cells: Cells = {
        id,
        account,
        status,
        ...(kind === undefined ? {} : { kind }),
        ...(sentAt === undefined ? {} : { sentAt: sentAt.toISOString() }),
        ...(sizeBytes === undefined ? {} : { sizeBytes: String(sizeBytes) }),
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(fileName === undefined ? {} : { fileName }),
        ...(path === undefined ? {} : { path }),
        ...(failure === undefined ? {} : { failure }),
      };
      text += `${COLUMNS.map((column) => csvCell(cells[column] ?? '')).join(',')}\r\n`;
      // As bytes they take less memory than as many short texts.
      if (text.length < CHUNK_BYTES) return;
      chunks.push(Buffer.from(text));
      text = '';
    },
    chunks: () => (text === '' ? chunks : [...chunks, Buffer.from(text)]),
  };
}
