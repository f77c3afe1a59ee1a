/** S3's errors by their own names, and the XML of responses. */

/** S3's error codes with their HTTP status. `InsufficientStorage` is our own: S3 is never full. */
const STATUS = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  IncompleteBody: 400,
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type S3ErrorCode = keyof typeof STATUS;

/** An error response. Its message is sent to the client, so it holds no path of this machine and no secret. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly code: S3ErrorCode;
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  constructor(code: S3ErrorCode, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.code = code;
    this.statusCode = STATUS[code];
    this.headers = headers;
  }
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Control characters become references, as S3 writes them. */
function escapeXml(text: string): string {
  return text
    .replace(/[&<>"]/g, (char) => ENTITIES[char]!)
    .replace(/[\x00-\x1f\x7f]/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`);
}

/** A tree of elements. An array repeats its element; undefined leaves it out. */
export type Xml = { readonly [name: string]: XmlValue };
type XmlValue = string | number | boolean | undefined | Xml | readonly (string | Xml)[];

function renderElement(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map((item) => renderElement(name, item)).join('');
  const inner = typeof value === 'object' ? renderChildren(value as Xml) : escapeXml(String(value));
  return `<${name}>${inner}</${name}>`;
}

function renderChildren(tree: Xml): string {
  return Object.entries(tree)
    .map(([name, value]) => renderElement(name, value))
    .join('');
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** Returns a whole document under `root`, in S3's namespace. */
export function renderDocument(root: string, tree: Xml): string {
  return `${DECLARATION}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${renderChildren(tree)}</${root}>`;
}

export function renderError(error: S3Error, resource: string, requestId: string): string {
  const tree = { Code: error.code, Message: error.message, Resource: resource, RequestId: requestId };
  return DECLARATION + renderElement('Error', tree);
}
