/**
 * The path of an object's file. A key's segments become folders, so that a listing reads only the folders of its
 * prefix, in order, and objects spread over the days in their keys. Rules for any key:
 *
 * - every name starts with its kind: `=` an object, `+` a segment with a slash after it, `~` the first 80 bytes of a
 *   longer segment. So `a` (`=a`) and `a/b` (`+a/=b`) stand side by side, `..` is the harmless name `+..`, an empty
 *   segment is `+`, and no name is longer than a file system's 255 bytes;
 * - bytes other than a-z 0-9 . _ - are written %xx: a name holds no slash and no NUL, and file systems that fold case
 *   or normalise Unicode cannot confuse two keys;
 * - a segment of 80 bytes or more always goes through `~`. Without that, `+x` and `~x` would interleave; with it every
 *   name covers one contiguous range of keys, and sorting the names of each folder sorts the keys.
 *
 * Keys are handled as "byte strings" here: their UTF-8 as latin1, whose JavaScript order is S3's order of bytes.
 */

const LONG_SEGMENT_BYTES = 80;

export type Kind = 'object' | 'segment' | 'continued';
const MARK = { object: '=', segment: '+', continued: '~' } as const;

export const toBytes = (key: string) => Buffer.from(key, 'utf8').toString('latin1');

const name = (kind: Kind, bytes: string) =>
  MARK[kind] +
  bytes.replace(/[^a-z0-9._-]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** Returns the names of the folders of `key`, outermost first, and of its file. */
export function namesOfKey(key: string): string[] {
  const names: string[] = [];
  const segments = toBytes(key).split('/');
  for (const [index, segment] of segments.entries()) {
    let rest = segment;
    for (; rest.length >= LONG_SEGMENT_BYTES; rest = rest.slice(LONG_SEGMENT_BYTES))
      names.push(name('continued', rest.slice(0, LONG_SEGMENT_BYTES)));
    names.push(name(index === segments.length - 1 ? 'object' : 'segment', rest));
  }
  return names;
}

/**
 * Returns what a name adds to the byte string of its folder; a segment includes its slash. Undefined for a name that is
 * not from {@link namesOfKey}.
 */
export function readName(text: string): string | undefined {
  const mark = text[0];
  if (mark !== MARK.object && mark !== MARK.segment && mark !== MARK.continued) return undefined;
  let bytes = text.slice(1);
  if (bytes.includes('%'))
    bytes = bytes.replace(/%([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return mark === MARK.segment ? `${bytes}/` : bytes;
}

/** The inverse of {@link readName}: the kind follows from the last byte and the length. */
export function nameOf(bytes: string): { kind: Kind; name: string } {
  if (bytes.endsWith('/')) return { kind: 'segment', name: name('segment', bytes.slice(0, -1)) };
  const kind = bytes.length === LONG_SEGMENT_BYTES ? 'continued' : 'object';
  return { kind, name: name(kind, bytes) };
}
