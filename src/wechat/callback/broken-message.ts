/**
 * What can be read in a message that is not well-formed. WeChat does not escape what users type: `]]>` and tags stand
 * inside CDATA as they were typed, in texts, labels of places, titles of links, results of scans and transcripts.
 *
 * Linear in the body up to a fixed number of fields, and nothing is expanded.
 */

/** More than any message has. */
const MAX_FIELDS = 200;
/** Each costs a search through the rest of the body. */
const MAX_UNCLOSED = 10;
/** A text of 2,048 bytes holds more; WeChat's own comes after it. */
const MAX_ENCRYPTED = 100;
const OPEN = /<([A-Za-z_][\w.-]{0,63})(?:\s[^<>]*)?>/g;
const CDATA = '<![CDATA[';

/**
 * The fields inside the root element; the first of a name counts, since WeChat's own stand before those with a user's
 * text. A CDATA section ends where its field does, not at the first `]]>`. Undefined where there is no root element
 * that ends with the text.
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
    // What holds elements is no field of ours, but they are not fields of the message either.
    if (!fields.has(opened[1]!) && (isCdata || !/[<&]/.test(value))) fields.set(opened[1]!, value);
    open.lastIndex = at + close.length;
  }
  return fields;
}

/** Every text that stands as `Encrypt`: the signature finds the one that WeChat made, wherever a user typed another. */
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
