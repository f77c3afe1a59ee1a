/**
 * Reads as many fields as possible from a message that is not well-formed XML. WeChat does not escape text that users
 * type: it sends `]]>` and tags unchanged inside CDATA, in texts, place labels, link titles, scan results and
 * transcripts.
 *
 * The time is linear in the length of the text, because the numbers of fields and of searches are limited. No entity is
 * expanded.
 */

/** More fields than any message has. */
const MAX_FIELDS = 200;
/** Each unclosed element costs a search through the rest of the body. */
const MAX_UNCLOSED = 10;
/**
 * Only the last ones are checked. A user's text of 2,048 bytes can contain even more, and WeChat's own comes after that
 * text.
 */
const MAX_ENCRYPTED = 100;
const OPEN = /<([A-Za-z_][\w.-]{0,63})(?:\s[^<>]*)?>/g;
const CDATA = '<![CDATA[';

/**
 * Returns the fields of the root element. If a name occurs twice, the first field counts, because WeChat's own fields
 * come before the fields with a user's text. A CDATA section ends at the end of its field, not at the first `]]>`.
 * Returns undefined if the text has no root element that closes at its end.
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
    // An element with children is not needed. The search continues after it, so its children are not read as fields
    // either.
    if (!fields.has(opened[1]!) && (isCdata || !/[<&]/.test(value))) fields.set(opened[1]!, value);
    open.lastIndex = at + close.length;
  }
  return fields;
}

/**
 * Returns all `Encrypt` texts of a body. Users may have typed some of them; the signature shows which one is WeChat's.
 */
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
