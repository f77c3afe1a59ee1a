/**
 * Parses a message, XML or JSON, into its fields. Only top-level values are read, because all fields that this service
 * needs are at the top level. Nested values (SendPicsInfo and others) must be well-formed and are skipped.
 *
 * This service has its own XML parser, because a strict one is short. In a general parser DTDs, entities, attributes,
 * numbers and prototypes must be turned off one by one, `<a></b>` is accepted unless a second pass validates it, and
 * the result is a tree. This parser takes linear time, does not support DTDs and cannot expand anything. A user's text
 * after MsgType may make the message malformed; then broken-message.ts reads as many fields as possible.
 */
import { scanXml } from './broken-message.ts';

/**
 * Field name → text. It is a Map, because `__proto__` may be a name. If a name occurs twice, the first value counts.
 */
export type Fields = ReadonlyMap<string, string>;

/** The text is not a message. `message` contains the reason and no part of the text. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

const MAX_DEPTH = 8;

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const TOKEN = {
  declaration: /<\?xml[^<>]*\?>/y,
  comment: /<!--.*?-->/sy,
  cdata: /<!\[CDATA\[(.*?)\]\]>/sy,
  open: /<([A-Za-z_][\w.-]{0,63})(?:\s+[\w.:-]+\s*=\s*(?:"[^"<&]*"|'[^'<&]*'))*\s*(\/?)>/y,
  close: /<\/([A-Za-z_][\w.-]{0,63})\s*>/y,
  text: /[^<]+/y,
};

/** Parses XML or JSON. The first character decides, because Content-Type is unreliable. */
export function readMessage(body: string): Fields {
  const text = body.replace(/^\uFEFF/, '').trim();
  return text.startsWith('{') ? readJson(text) : readXml(text);
}

function readXml(text: string): Fields {
  const fields = new Map<string, string>();
  const path: string[] = [];
  let at = 0;
  let value = '';
  let isLeaf = false;
  let rootSeen = false;
  let cdataSeen = false;

  /**
   * A user's text can have broken the message only after MsgType, and only inside a CDATA section or the root element.
   */
  const scanBroken = (): Fields | undefined =>
    fields.has('MsgType') && (cdataSeen || path.length > 0) ? scanXml(text) : undefined;

  const take = (token: RegExp): RegExpExecArray | undefined => {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match) at = token.lastIndex;
    return match ?? undefined;
  };
  const closeElement = (name: string): void => {
    if (path.pop() !== name) throw new MalformedMessage('tags do not match');
    if (path.length === 1 && isLeaf && !fields.has(name)) fields.set(name, value);
    isLeaf = false;
  };

  const read = (): void => {
    take(TOKEN.declaration);
    while (at < text.length) {
      if (take(TOKEN.comment)) continue;
      const opened = take(TOKEN.open);
      if (opened) {
        if (path.length === 0 && rootSeen) throw new MalformedMessage('more than one root element');
        if (path.length >= MAX_DEPTH) throw new MalformedMessage(`nested deeper than ${MAX_DEPTH}`);
        rootSeen = true;
        path.push(opened[1]!);
        value = '';
        isLeaf = true;
        if (opened[2]) closeElement(opened[1]!);
        continue;
      }
      const closed = take(TOKEN.close);
      if (closed) {
        closeElement(closed[1]!);
        continue;
      }
      const cdata = take(TOKEN.cdata);
      if (cdata) cdataSeen = true;
      const plain = cdata ? undefined : take(TOKEN.text);
      const piece = cdata ? cdata[1]! : plain ? unescapeXml(plain[0]) : undefined;
      if (piece === undefined)
        throw new MalformedMessage('not well-formed, or with a DOCTYPE or instruction');
      if (path.length > 0) value += piece;
      else if (cdata || piece.trim() !== '') throw new MalformedMessage('text outside the root element');
    }
    if (!rootSeen || path.length > 0) throw new MalformedMessage('ends before its root element does');
  };

  try {
    read();
    return fields;
  } catch (error) {
    const found = error instanceof MalformedMessage ? scanBroken() : undefined;
    if (!found) throw error;
    return new Map([...found, ...fields]);
  }
}

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&\s]{0,10});?/g, (whole, name: string) => {
    const known = whole.endsWith(';') && Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
    if (known !== undefined) return known;
    const digits = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name);
    const point = digits ? Number.parseInt(digits[1] ?? digits[2]!, digits[1] ? 16 : 10) : 0;
    const isCharacter = point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    if (!whole.endsWith(';') || !isCharacter) throw new MalformedMessage('an unknown entity');
    return String.fromCodePoint(point);
  });
}

/**
 * JSON.parse of Node 24. Its reviver gets the source text of a number, so that a 64-bit MsgId keeps its last digits.
 */
const parseJson = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
) => unknown;

function readJson(text: string): Fields {
  let parsed: unknown;
  try {
    // WeChat sends raw control characters inside strings, which JSON forbids.
    parsed = parseJson(text.replace(/[\x00-\x1f]/g, ' '), (_key, value, { source }) =>
      typeof value === 'number' ? source : value,
    );
  } catch {
    // A SyntaxError, or a RangeError: JSON.parse calls the reviver recursively, and the text may be nested thousands of
    // levels deep.
    throw new MalformedMessage('JSON that cannot be parsed');
  }
  const entries = Object.entries(parsed as object);
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
