/** Writes the fields of a message as WeChat does, in XML or JSON. */

/** Numbers are written bare: CreateTime, and MsgId, which has 64 bits and is therefore a bigint. */
export type FieldValue = string | number | bigint | Fields | readonly Fields[];
export interface Fields {
  readonly [name: string]: FieldValue;
}

const isList = (value: FieldValue): value is readonly Fields[] => Array.isArray(value);
const cdata = (text: string): string => `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;

function xmlValue(value: FieldValue): string {
  if (typeof value === 'string') return cdata(value);
  if (typeof value !== 'object') return String(value);
  return isList(value) ? value.map((item) => `<item>${xmlFields(item)}</item>`).join('') : xmlFields(value);
}
const xmlFields = (fields: Fields, between = ''): string =>
  Object.entries(fields)
    .map(([name, value]) => `<${name}>${xmlValue(value)}</${name}>`)
    .join(between);

export const toXml = (fields: Fields): string => `<xml>\n${xmlFields(fields, '\n')}\n</xml>`;

/** JSON.stringify throws for a bigint. */
export function toJson(value: FieldValue): string {
  if (typeof value !== 'object') return typeof value === 'string' ? JSON.stringify(value) : String(value);
  if (isList(value)) return `[${value.map(toJson).join(',')}]`;
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${toJson(member)}`);
  return `{${members.join(',')}}`;
}
