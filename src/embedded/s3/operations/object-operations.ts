/** PutObject, GetObject, HeadObject, DeleteObject. */
import { pipeline } from 'node:stream/promises';
import type { ObjectInfo } from '../files/record-file.ts';
import { decideRange, decideRead, readWriteCondition } from '../protocol/conditions.ts';
import { S3Error } from '../protocol/responses.ts';
import { type Operation, receiveInto, send } from './request-context.ts';

/** Headers of a PUT that are kept and answered again as they were. */
const STORED_HEADERS = [
  'content-type',
  'content-disposition',
  'content-language',
  'content-encoding',
  'cache-control',
  'expires',
];
/** S3's bound for names and values of x-amz-meta-* together. */
const MAX_METADATA_BYTES = 2048;
const READ_BYTES = 256 * 1024;

/**
 * Headers that ask for what is not here. Ignoring one of them would be a lie: a copy would store an empty object, a
 * request for encryption a plain one.
 */
const UNSUPPORTED_HEADERS =
  /^x-amz-(copy-source|server-side-encryption|object-lock|tagging|website-redirect|grant-|write-offset)|^content-range$/;

/** @throws S3Error NotImplemented, MetadataTooLarge */
export function readStoredHeaders(headers: NodeJS.Dict<string[]>): Record<string, string> {
  const kept: Record<string, string> = {};
  let metadataBytes = 0;
  for (const [name, lines = []] of Object.entries(headers)) {
    const value = lines.join(',');
    if (UNSUPPORTED_HEADERS.test(name))
      throw new S3Error('NotImplemented', `The header ${name} is not implemented.`);
    if (name === 'x-amz-acl' && value !== 'private')
      throw new S3Error('NotImplemented', 'Only the private ACL is implemented.');
    if (name === 'x-amz-storage-class' && value !== 'STANDARD')
      throw new S3Error('NotImplemented', 'Only the STANDARD storage class is implemented.');
    if (name === 'content-encoding') {
      const encodings = value.split(',').map((encoding) => encoding.trim());
      const stored = encodings.filter((encoding) => encoding !== 'aws-chunked').join(',');
      if (stored) kept[name] = stored;
    } else if (name.startsWith('x-amz-meta-')) {
      metadataBytes += name.length - 'x-amz-meta-'.length + value.length;
      kept[name] = value;
    } else if (STORED_HEADERS.includes(name)) kept[name] = value;
  }
  if (metadataBytes > MAX_METADATA_BYTES)
    throw new S3Error('MetadataTooLarge', `At most ${MAX_METADATA_BYTES} bytes of x-amz-meta-* headers.`);
  return kept;
}

export const checksumHeaders = ({ checksum }: Pick<ObjectInfo, 'checksum'>): Record<string, string> =>
  checksum ? { [checksum[0]]: checksum[1] } : {};

export const putObject: Operation = async (exchange, store) => {
  const headers = readStoredHeaders(exchange.headers);
  const condition = readWriteCondition(exchange.headers);
  await receiveInto(exchange, store, async (draft, { sizeBytes, md5, checksum }) => {
    const facts: ObjectInfo = {
      key: exchange.target.key,
      sizeBytes,
      etag: md5.toString('hex'),
      modifiedAt: store.clock.now(),
      headers,
      ...(checksum ? { checksum } : {}),
    };
    await store.objects.publish(draft, facts, condition);
    send(exchange, 200, { etag: `"${facts.etag}"`, 'content-length': 0, ...checksumHeaders(facts) });
  });
};

/** `response-content-disposition=…` and its like; safe to obey, because every request here is signed. */
function readOverrides(query: ReadonlyMap<string, string>): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const name of STORED_HEADERS) {
    const value = query.get(`response-${name}`);
    if (value === undefined) continue;
    if (!/^[\x20-\x7e]*$/.test(value))
      throw new S3Error('InvalidArgument', `response-${name} has to be printable ASCII.`);
    overrides[name] = value;
  }
  return overrides;
}

export const getObject: Operation = async (exchange, store) => {
  const { request, response, headers, target } = exchange;
  const overrides = readOverrides(target.query);
  const record = await store.objects.open(target.key);
  if (!record) throw new S3Error('NoSuchKey', 'The specified key does not exist.');
  const { info: facts, handle } = record;
  try {
    const validators = {
      etag: `"${facts.etag}"`,
      'last-modified': facts.modifiedAt.toUTCString(),
      'x-content-type-options': 'nosniff',
    };
    if (decideRead(headers, facts) === 'notModified') return send(exchange, 304, validators);
    const range = decideRange(headers, facts);
    const withChecksum = !range && headers['x-amz-checksum-mode']?.[0]?.toUpperCase() === 'ENABLED';
    response.writeHead(range ? 206 : 200, {
      'content-type': 'binary/octet-stream',
      ...facts.headers,
      ...overrides,
      ...validators,
      ...(withChecksum ? checksumHeaders(facts) : {}),
      ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${facts.sizeBytes}` } : {}),
      'accept-ranges': 'bytes',
      'content-length': range ? range.end - range.start + 1 : facts.sizeBytes,
    });
    if (request.method === 'HEAD' || facts.sizeBytes === 0) {
      response.end();
      return;
    }
    // The facts follow the bytes in the file: without an end they would be sent too.
    const { start, end } = range ?? { start: 0, end: facts.sizeBytes - 1 };
    const bytes = handle.createReadStream({ start, end, highWaterMark: READ_BYTES, autoClose: false });
    await pipeline(bytes, response);
  } finally {
    await handle.close();
  }
};

export const deleteObject: Operation = async (exchange, store) => {
  await store.objects.delete(exchange.target.key);
  send(exchange, 204, {});
};
