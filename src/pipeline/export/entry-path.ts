/** The names of files inside a ZIP: safe to extract on every system, unique, and never outside of its folder. */

export const MANIFEST_PATH = 'manifest.csv';

/** Device names of Windows, which no file may have there, with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * Returns the text as the name of a folder. Only letters, digits, `.`, `_` and `-` stay, so that there are no path
 * separators, no characters that a system refuses, and no two ways to write the same name.
 */
function folderName(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/[.]+$/, '_');
  const isUnsafe = name === '' || /^[.-]/.test(name) || RESERVED.test(name);
  return isUnsafe || name.toLowerCase() === MANIFEST_PATH ? `_${name}` : name;
}

/**
 * Returns `{account}/{yyyy-mm-dd}/{id}.{ext}` with the UTC day of `sentAt`, as in the bucket. The id is unique, so the
 * path is too, also where upper and lower case are the same.
 */
export function entryPathOf(item: {
  readonly id: string;
  readonly account: string;
  readonly sentAt?: Date;
  readonly objectKey: string;
}): string {
  const extension = /\.([a-z0-9]{1,8})$/.exec(item.objectKey)?.[1] ?? 'bin';
  const day = item.sentAt?.toISOString().slice(0, 10) ?? 'undated';
  return `${folderName(item.account)}/${day}/${item.id}.${extension}`;
}
