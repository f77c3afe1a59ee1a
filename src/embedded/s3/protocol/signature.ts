/**
 * Verifies Signature Version 4, in the Authorization header or in a presigned query. There is no anonymous access.
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

/** The parts of a request that its signature covers. Header values are as Node reads them, one string per line. */
export interface SignedHead {
  readonly method: string;
  readonly target: Pick<RequestTarget, 'canonicalPath' | 'query'>;
  readonly headers: NodeJS.Dict<string[]>;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly timestamp: string;
  readonly payload: string;
  /** Presigned only: how long the request is valid from the timestamp. */
  readonly expiresSeconds?: number;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;

const sha256Hex = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** Compares two hex signatures in constant time. */
function isSameSignature(expected: string, given: string): boolean {
  return /^[0-9a-f]{64}$/.test(given) && timingSafeEqual(Buffer.from(expected), Buffer.from(given));
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
    payload: headers['x-amz-content-sha256']?.[0] ?? 'UNSIGNED-PAYLOAD',
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

/** @returns the scope `{day}/{region}/s3/aws4_request`, each part verified. */
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
  // As S3 does: an attacker could add an unsigned x-amz-* header to a presigned URL.
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

/** Returns the hex hash of the body, or undefined where the body was not signed. */
function readPayloadSha256(payload: string): string | undefined {
  if (/^[0-9a-f]{64}$/.test(payload)) return payload;
  if (payload === 'UNSIGNED-PAYLOAD') return undefined;
  // aws-chunked: stored as it is, its framing would become part of the object.
  if (payload.startsWith('STREAMING-'))
    throw new S3Error('NotImplemented', 'Streaming payloads (aws-chunked) are not implemented.');
  throw new S3Error('InvalidArgument', 'x-amz-content-sha256 is neither a hash nor a known word.');
}

/**
 * Verifies that exactly this request was signed with the secret, and recently.
 * @returns the signed hash of the body in hex; undefined where the body was not signed.
 * @throws S3Error with S3's code. The message never repeats a signature or a canonical request.
 */
export function verifySignature(head: SignedHead, credentials: Credentials, now: Date): string | undefined {
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
  const stringToSign = [ALGORITHM, claim.timestamp, scope, sha256Hex(canonicalRequest)].join('\n');
  if (!isSameSignature(hmac(key, stringToSign).toString('hex'), claim.signature))
    throw new S3Error('SignatureDoesNotMatch', 'The signature is not that of this request and this secret.');
  checkTime(claim, now);
  return readPayloadSha256(claim.payload);
}
