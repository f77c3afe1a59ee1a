/**
 * Signature Version 4, checked: in the Authorization header or in a presigned query. What cannot be checked is
 * refused; there is no anonymous access.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { escapeUri, type RequestTarget } from './request-target.ts';
import { S3Error } from './responses.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** As much of a request as its signature covers. Header values are as Node reads them, one string per line. */
export interface SignedHead {
  readonly method: string;
  readonly target: Pick<RequestTarget, 'canonicalPath' | 'query'>;
  readonly headers: NodeJS.Dict<string[]>;
}

/** What signed chunks of an aws-chunked body are signed with, starting from the request's own signature. */
export interface ChunkSigning {
  readonly key: Buffer;
  readonly timestamp: string;
  readonly scope: string;
  readonly seed: string;
}

/** What the signature says about the body. */
export type Payload =
  | { readonly kind: 'hashed'; readonly sha256: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'chunked'; readonly trailer: boolean; readonly signing: ChunkSigning | undefined };

interface Claim {
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly timestamp: string;
  readonly payload: string;
  /** Presigned only: how long from the timestamp. */
  readonly expiresSeconds?: number;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;

const sha256Hex = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** Compares two hex signatures in a time that does not depend on where they differ. */
export function sameSignature(expected: string, given: string): boolean {
  return /^[0-9a-f]{64}$/.test(given) && timingSafeEqual(Buffer.from(expected), Buffer.from(given));
}

/** Signs `lines` as SigV4 does: HMAC of them joined, in hex. */
export function signLines(key: Buffer, lines: readonly string[]): string {
  return hmac(key, lines.join('\n')).toString('hex');
}

function claimOfHeader(headers: NodeJS.Dict<string[]>, authorization: string): Claim {
  const malformed = (what: string) => new S3Error('AuthorizationHeaderMalformed', what);
  if (!authorization.startsWith(`${ALGORITHM} `))
    throw new S3Error('InvalidRequest', `Only ${ALGORITHM} is accepted.`);
  const fields = new Map<string, string>();
  for (const field of authorization.slice(ALGORITHM.length + 1).split(',')) {
    const equals = field.indexOf('=');
    fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const [credential, signed, signature] = ['Credential', 'SignedHeaders', 'Signature'].map((n) =>
    fields.get(n),
  );
  if (!credential || !signed || !signature)
    throw malformed('The Authorization header needs Credential, SignedHeaders and Signature.');
  const timestamp = headers['x-amz-date']?.[0];
  if (!timestamp) throw new S3Error('AccessDenied', 'The request needs an x-amz-date header.');
  const payload = headers['x-amz-content-sha256']?.[0];
  if (!payload) throw new S3Error('InvalidRequest', 'The request needs an x-amz-content-sha256 header.');
  return { credential, signedHeaders: signed.split(';'), signature, timestamp, payload };
}

function claimOfQuery(headers: NodeJS.Dict<string[]>, query: ReadonlyMap<string, string>): Claim {
  const malformed = (what: string) => new S3Error('AuthorizationQueryParametersError', what);
  const need = (name: string) => {
    const value = query.get(name);
    if (!value) throw malformed(`The query needs ${name}.`);
    return value;
  };
  if (need('X-Amz-Algorithm') !== ALGORITHM) throw malformed(`Only ${ALGORITHM} is accepted.`);
  const expires = need('X-Amz-Expires');
  const expiresSeconds = /^\d{1,7}$/.test(expires) ? Number(expires) : 0;
  if (expiresSeconds < 1 || expiresSeconds > MAX_EXPIRES_SECONDS)
    throw malformed(`X-Amz-Expires is a number of seconds from 1 to ${MAX_EXPIRES_SECONDS}.`);
  return {
    credential: need('X-Amz-Credential'),
    signedHeaders: need('X-Amz-SignedHeaders').split(';'),
    signature: need('X-Amz-Signature'),
    timestamp: need('X-Amz-Date'),
    payload: query.get('X-Amz-Content-Sha256') ?? headers['x-amz-content-sha256']?.[0] ?? 'UNSIGNED-PAYLOAD',
    expiresSeconds,
  };
}

function checkTime(claim: Claim, now: Date): void {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.timestamp);
  if (!parts) throw new S3Error('AccessDenied', 'The date has to look like 20260131T235959Z.');
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const aheadMs = Date.UTC(year, month - 1, day, hour, minute, second) - now.getTime();
  if (claim.expiresSeconds !== undefined) {
    if (aheadMs > SKEW_MS) throw new S3Error('AccessDenied', 'Request is not yet valid.');
    if (aheadMs + claim.expiresSeconds * 1000 < 0) throw new S3Error('AccessDenied', 'Request has expired.');
  } else if (Math.abs(aheadMs) > SKEW_MS) {
    throw new S3Error(
      'RequestTimeTooSkewed',
      "The request's time is more than 15 minutes from the server's.",
    );
  }
}

/** @returns the scope: day/region/service/aws4_request, all of them ours. */
function checkCredential(claim: Claim, credentials: Credentials): string {
  const [id, day, region, service, end, ...more] = claim.credential.split('/');
  const code =
    claim.expiresSeconds === undefined
      ? 'AuthorizationHeaderMalformed'
      : ('AuthorizationQueryParametersError' as const);
  if (more.length > 0 || end !== 'aws4_request' || service !== 's3')
    throw new S3Error(code, 'The credential has to be {access key}/{yyyymmdd}/{region}/s3/aws4_request.');
  if (id !== credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId', 'The access key is not known.');
  if (region !== credentials.region)
    throw new S3Error(code, `The region is wrong; expecting '${credentials.region}'.`);
  if (day !== claim.timestamp.slice(0, 8))
    throw new S3Error(code, "The credential's day is not that of the date.");
  return `${day}/${region}/${service}/${end}`;
}

function canonicalHeaders({ headers }: SignedHead, signedHeaders: readonly string[]): string {
  if (!signedHeaders.includes('host')) throw new S3Error('AccessDenied', 'The host header has to be signed.');
  // An unsigned x-amz-* header could be slipped into somebody's presigned URL: S3 refuses it, and so is it here.
  for (const name of Object.keys(headers))
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name))
      throw new S3Error('AccessDenied', `The header ${name} is present but not signed.`);
  return signedHeaders
    .map((name) => {
      const lines = headers[name];
      if (!lines) throw new S3Error('AccessDenied', 'A signed header is missing from the request.');
      return `${name}:${lines.map((line) => line.trim().replace(/ +/g, ' ')).join(',')}\n`;
    })
    .join('');
}

function canonicalQuery(query: ReadonlyMap<string, string>): string {
  return [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`)
    .sort()
    .join('&');
}

function readPayload(claim: Claim, signing: ChunkSigning): Payload {
  if (/^[0-9a-f]{64}$/.test(claim.payload)) return { kind: 'hashed', sha256: claim.payload };
  if (claim.payload === 'UNSIGNED-PAYLOAD') return { kind: 'unsigned' };
  if (claim.payload === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    return { kind: 'chunked', trailer: true, signing: undefined };
  if (claim.payload === `STREAMING-${ALGORITHM}-PAYLOAD`) return { kind: 'chunked', trailer: false, signing };
  if (claim.payload === `STREAMING-${ALGORITHM}-PAYLOAD-TRAILER`)
    return { kind: 'chunked', trailer: true, signing };
  if (claim.payload.startsWith('STREAMING-'))
    throw new S3Error('NotImplemented', 'This kind of streaming payload is not implemented.');
  throw new S3Error('InvalidArgument', 'x-amz-content-sha256 is neither a hash nor a known word.');
}

/**
 * Proves that whoever holds the secret signed exactly this request, and recently.
 * @returns how its body is to be proven.
 * @throws S3Error with S3's code for what is wrong; the message never repeats a signature or a canonical request.
 */
export function verifySignature(head: SignedHead, credentials: Credentials, now: Date): Payload {
  const { headers, target } = head;
  const authorization = headers.authorization;
  const presigned = target.query.has('X-Amz-Signature') || target.query.has('X-Amz-Algorithm');
  if (!authorization && !presigned) throw new S3Error('AccessDenied', 'Anonymous access is not allowed.');
  if (authorization && (presigned || authorization.length > 1))
    throw new S3Error('InvalidArgument', 'Only one way of signing is allowed at a time.');
  for (const name of ['x-amz-date', 'x-amz-content-sha256'])
    if ((headers[name]?.length ?? 0) > 1) throw new S3Error('InvalidArgument', `${name} is given twice.`);

  const claim = authorization
    ? claimOfHeader(headers, authorization[0]!)
    : claimOfQuery(headers, target.query);
  const scope = checkCredential(claim, credentials);
  const canonicalRequest = [
    head.method,
    target.canonicalPath,
    canonicalQuery(target.query),
    canonicalHeaders(head, claim.signedHeaders),
    claim.signedHeaders.join(';'),
    claim.payload,
  ].join('\n');
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`) as Buffer;
  const expected = signLines(key, [ALGORITHM, claim.timestamp, scope, sha256Hex(canonicalRequest)]);
  if (!sameSignature(expected, claim.signature))
    throw new S3Error('SignatureDoesNotMatch', 'The signature is not that of this request and this secret.');
  checkTime(claim, now);
  return readPayload(claim, { key, timestamp: claim.timestamp, scope, seed: expected });
}
