/** CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload. */
import type { ObjectInfo } from '../files/record-file.ts';
import { receiveDocument } from '../protocol/body.ts';
import { parseComplete } from '../protocol/complete-document.ts';
import { renderDocument } from '../protocol/responses.ts';
import { readStoredHeaders } from './object-operations.ts';
import { type Operation, type RequestContext, readNumber, receiveInto, send } from './request-context.ts';

const MAX_PARTS = 10_000;
/** 10,000 parts with a checksum each. */
const MAX_COMPLETE_BYTES = 4 * 1024 * 1024;
/** Nothing is sent over the socket while 5 GiB of parts are copied: the idle timeout must not cut the response off. */
const COMPLETE_LIMIT_MS = 10 * 60_000;

const uploadIdOf = ({ target }: Pick<RequestContext, 'target'>) => target.query.get('uploadId') ?? '';
const quoted = (info: Pick<ObjectInfo, 'etag'>) => `"${info.etag}"`;

export const createUpload: Operation = async (context, bucket) => {
  const { key } = context.target;
  const headers = readStoredHeaders(context.headers);
  const upload = await bucket.uploads.create({ key, startedAt: bucket.clock.now(), headers });
  const tree = { Bucket: bucket.name, Key: key, UploadId: upload.uploadId };
  send(context, 200, {}, renderDocument('InitiateMultipartUploadResult', tree));
};

export const uploadPart: Operation = async (context, bucket) => {
  const partNumber = readNumber(context, 'partNumber', { from: 1, to: MAX_PARTS });
  readStoredHeaders(context.headers); // refuses a copy-source
  const { key } = context.target;
  const upload = await bucket.uploads.find(key, uploadIdOf(context));
  await receiveInto(context, bucket, async (staged, { sizeBytes, md5 }) => {
    const etag = md5.toString('hex');
    const info: ObjectInfo = { key, sizeBytes, etag, modifiedAt: bucket.clock.now(), headers: {} };
    await bucket.uploads.putPart(upload, partNumber, staged, info);
    send(context, 200, { etag: quoted(info), 'content-length': 0 });
  });
};

export const completeUpload: Operation = async (context, bucket) => {
  const { key } = context.target;
  readStoredHeaders(context.headers); // refuses conditions
  const parts = parseComplete(await receiveDocument(context, MAX_COMPLETE_BYTES));
  context.request.socket.setTimeout(COMPLETE_LIMIT_MS);
  const info = await bucket.uploads.complete(key, uploadIdOf(context), parts, bucket.clock.now());
  const tree = {
    Location: context.target.canonicalPath,
    Bucket: bucket.name,
    Key: key,
    ETag: quoted(info),
  };
  send(context, 200, {}, renderDocument('CompleteMultipartUploadResult', tree));
};

export const abortUpload: Operation = async (context, bucket) => {
  const upload = await bucket.uploads.find(context.target.key, uploadIdOf(context));
  await bucket.uploads.abort(upload);
  send(context, 204, {});
};
