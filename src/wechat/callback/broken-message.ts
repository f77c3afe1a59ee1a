/**
 * Reads what can be read of a message that is not well-formed. WeChat does not escape what users type: `]]>` and tags
 * are sent inside CDATA as they were typed, in texts, place labels, link titles, scan results and transcripts.
 *
 * Takes linear time for at most a fixed number of fields, and expands nothing.
 */

/** More fields than any message has. */
const MAX_FIELDS = 200;
/** Each unclosed element costs a search through the rest of the body. */
const MAX_UNCLOSED = 10;
/** Only the last ones are checked: a user's text of 2,048 bytes can contain more, and WeChat's own comes after it. */
const MAX_ENCRYPTED = 100;
const OPEN = /<([A-Za-z_][\w.-]{0,63})(?:\s[^<>]*)?>/g;
const CDATA = '<![CDATA[';

/**
 * Returns the fields of the root element. The first field of a name counts, because WeChat's own fields come before
 * those with a user's text. A CDATA section ends with its field, not at the first `]]>`. Undefined where the text has
 * no root element that closes at its end.
 */
export function scanXml(text: string): ReadonlyMap<string, string> | undefined {
  const [root, name] = /^(?:<\?xml[^<>]*\?>\s*)?<([A-Za-z_][\w.-]{0,63})(?:\s[^<>]*)?>/.exec(text) ?? [];
  const end = `</${name}>`;
  if (root === undefined || !text.endsWith(end)) return undefined;
  const inside = text.slice(root.length, -end.length);
  const fields = new Map<string, string>();
  const open = new RegExp(OPEN);
  let unclosed = 0;
  while (fields.size < MAX_FIELDS && unclosed < MAX_UNCLOSED) {
    const opened = open.exec(inside);
    if (!opened) break;
    const from = open.lastIndex;
    const isCdata = inside.startsWith(CDATA, from);
    const start = isCdata ? from + CDATA.length : from;
    const close = `${isCdata ? ']]>' : ''}</${opened[1]}>`;
    const at = inside.indexOf(close, start);
    if (at < 0) {
      unclosed++;
      continue;
    }
    const value = inside.slice(start, at);
    // An element with children is not a field that is needed; its children are skipped, they are not fields either.
    if (!fields.has(opened[1]!) && (isCdata || !/[<&]/.test(value))) fields.set(opened[1]!, value);
    open.lastIndex = at + close.length;
  }
  return fields;
}

/** Returns all `Encrypt` texts of a body. The signature shows which one WeChat made: users may have typed others. */
export function encryptedIn(body: string): string[] {
  const found = /^\s*\{/.test(body.replace(/^\uFEFF/, ''))
    ? [...body.matchAll(/"Encrypt"\s*:\s*("[^"]*")/g)].map(([, text = '']) => jsonString(text))
    : [...body.matchAll(/<Encrypt>(?:([^<]*)|\s*<!\[CDATA\[([^<\]]*)\]\]>\s*)<\/Encrypt>/g)].map(
        ([, plain, cdata]) => plain ?? cdata,
      );
  return found.filter((text) => text !== undefined).slice(-MAX_ENCRYPTED);
}

function jsonString(text: string): string | undefined {
  try {
    return JSON.parse(text.replace(/[\x00-\x1f]/g, ' ')) as string;
  } catch {
    return undefined;
  }
}
