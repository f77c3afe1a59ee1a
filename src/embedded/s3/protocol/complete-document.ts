/**
 * Parses CompleteMultipartUpload, the one document that clients send. Elements and text only: a DOCTYPE, a comment,
 * CDATA or an attribute other than the namespace is refused, because no client sends one.
 */
import { S3Error } from './responses.ts';

const MAX_PARTS = 10_000;

const malformed = (what: string) => new S3Error('MalformedXML', what);

interface Element {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(/&([^;&]{0,9});?/g, (_, entity: string) => {
    if (Object.hasOwn(NAMED, entity)) return NAMED[entity]!;
    const digits = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(entity);
    const code = digits ? Number.parseInt(digits[1] ?? digits[2]!, digits[1] ? 16 : 10) : Number.NaN;
    if (!(code <= 0x10ffff)) throw malformed('The document holds an unknown entity.');
    return String.fromCodePoint(code);
  });
}

function parse(xml: string, root: string): Element {
  const document: Element = { name: '', children: [], text: '' };
  const path = [document];
  const token = /<(\/?)([A-Za-z][A-Za-z0-9]*)(?:\s+xmlns="[^"<>]*")?\s*(\/?)>|([^<]+)/y;
  token.lastIndex = /^\uFEFF?\s*(?:<\?xml[^<>]*\?>)?/.exec(xml)![0].length;
  while (token.lastIndex < xml.length) {
    const match = token.exec(xml);
    if (!match) throw malformed('The document is not well-formed.');
    const [, closing, name, empty, text] = match;
    const open = path.at(-1)!;
    if (text !== undefined) {
      open.text += decodeText(text);
    } else if (closing) {
      if (open.name !== name || path.length === 1) throw malformed('The document is not well-formed.');
      path.pop();
    } else {
      const element: Element = { name: name!, children: [], text: '' };
      open.children.push(element);
      if (!empty) path.push(element);
      if (path.length > 5) throw malformed('The document is nested too deeply.');
    }
  }
  const [only, ...more] = document.children;
  if (path.length !== 1 || only?.name !== root || more.length > 0 || document.text.trim() !== '')
    throw malformed(`The document is not a ${root}.`);
  return only;
}

const textOf = (element: Element, name: string) =>
  element.children.find((child) => child.name === name)?.text;

export interface NamedPart {
  readonly partNumber: number;
  /** Without quotes. */
  readonly etag: string;
}

/** @throws S3Error MalformedXML, InvalidPartOrder */
export function parseComplete(xml: string): readonly NamedPart[] {
  const parts = parse(xml, 'CompleteMultipartUpload')
    .children.filter((child) => child.name === 'Part')
    .map((part) => {
      const number = textOf(part, 'PartNumber')?.trim() ?? '';
      const etag = textOf(part, 'ETag')
        ?.trim()
        .replace(/^"(.*)"$/, '$1');
      if (!/^\d{1,5}$/.test(number) || !etag) throw malformed('A Part needs a PartNumber and an ETag.');
      return { partNumber: Number(number), etag };
    });
  if (parts.length === 0 || parts.length > MAX_PARTS)
    throw malformed(`A Complete names 1 to ${MAX_PARTS} parts.`);
  for (const [index, part] of parts.entries())
    if (index > 0 && part.partNumber <= parts[index - 1]!.partNumber)
      throw new S3Error('InvalidPartOrder', 'The parts have to be named in ascending order.');
  return parts;
}
