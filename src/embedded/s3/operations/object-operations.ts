/** PutObject, GetObject, HeadObject, DeleteObject. */
import { pipeline } from 'node:stream/promises';
import type { ObjectInfo } from '../files/record-file.ts';
import { S3Error } from '../protocol/responses.ts';
import { decideRange, isNotModified } from './conditions.ts';
import { type Operation, receiveInto, send } from './request-context.ts';

/** Headers of a write that are stored and sent back with the object, beside x-amz-meta-*. */
const STORED_HEADERS = new Set(['content-type', 'content-disposition', 'cache-control']);
/** x-amz-* headers of a write that do not change the object. Checksums are verified where the body is received. */
const NEUTRAL_HEADERS = /^x-amz-(date|content-sha256|user-agent|sdk-checksum-algorithm|checksum-.*)$/;
/** Headers that ask for what is not implemented. To ignore `x-amz-copy-source` would store an empty object. */
const UNSUPPORTED_HEADERS = /^(x-amz-.*|content-(encoding|language|range)|expires|if-.*)$/;
/** S3's limit for the names and values of x-amz-meta-* together. */
const MAX_METADATA_BYTES = 2048;
const READ_BYTES = 256 * 1024;

/** Returns the headers to be stored with an object. @throws S3Error NotImplemented, MetadataTooLarge */
export function readStoredHeaders(headers: NodeJS.Dict<string[]>): Record<string, string> {
  const stored: Record<string, string> = {};
  let metadataBytes = 0;
  for (const [name, lines = []] of Object.entries(headers)) {
    const value = lines.join(',');
    if (name.startsWith('x-amz-meta-')) {
      metadataBytes += name.length - 'x-amz-meta-'.length + value.length;
      stored[name] = value;
    } else if (STORED_HEADERS.has(name)) stored[name] = value;
    else if (UNSUPPORTED_HEADERS.test(name) && !NEUTRAL_HEADERS.test(name))
      throw new S3Error('NotImplemented', `The header ${name} is not implemented.`);
  }
  if (metadataBytes > MAX_METADATA_BYTES)
    throw new S3Error('MetadataTooLarge', `At most ${MAX_METADATA_BYTES} bytes of x-amz-meta-* headers.`);
  return stored;
}

export const putObject: Operation = async (context, bucket) => {
  const headers = readStoredHeaders(context.headers);
  await receiveInto(context, bucket, async (staged, { sizeBytes, md5 }) => {
    const info: ObjectInfo = {
      key: context.target.key,
      sizeBytes,
      etag: md5.toString('hex'),
      modifiedAt: bucket.clock.now(),
      headers,
    };
    await bucket.objects.publish(staged, info);
    send(context, 200, { etag: `"${info.etag}"`, 'content-length': 0 });
  });
};

export const getObject: Operation = async (context, bucket) => {
  const { request, response, headers, target } = context;
  const record = await bucket.objects.open(target.key);
  if (!record) throw new S3Error('NoSuchKey', 'The specified key does not exist.');
  const { info, handle } = record;
  try {
    const validators = {
      etag: `"${info.etag}"`,
      'last-modified': info.modifiedAt.toUTCString(),
      'x-content-type-options': 'nosniff',
    };
    if (isNotModified(headers, info)) return send(context, 304, validators);
    const range = decideRange(headers, info);
    response.writeHead(range ? 206 : 200, {
      'content-type': 'binary/octet-stream',
      ...info.headers,
      ...validators,
      ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${info.sizeBytes}` } : {}),
      'accept-ranges': 'bytes',
      'content-length': range ? range.end - range.start + 1 : info.sizeBytes,
    });
    if (request.method === 'HEAD' || info.sizeBytes === 0) {
      response.end();
      return;
    }
    // The info follows the bytes in the file: without an end it would be sent as well.
    const { start, end } = range ?? { start: 0, end: info.sizeBytes - 1 };
    const bytes = handle.createReadStream({ start, end, highWaterMark: READ_BYTES, autoClose: false });
    await pipeline(bytes, response);
  } finally {
    await handle.close();
  }
};

export const deleteObject: Operation = async (context, bucket) => {
  await bucket.objects.delete(context.target.key);
  send(context, 204, {});
};
