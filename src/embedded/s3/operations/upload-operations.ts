/** The multipart operations. */

import type { ObjectInfo } from '../files/record-file.ts';
import { readWriteCondition } from '../protocol/conditions.ts';
import { parseComplete } from '../protocol/request-xml.ts';
import { renderDocument, S3Error } from '../protocol/responses.ts';
import { checksumHeaders, readStoredHeaders } from './object-operations.ts';
import {
  type Operation,
  type RequestContext,
  readNumber,
  receiveInto,
  receiveXml,
  send,
} from './request-context.ts';

const MAX_PARTS = 10_000;
/** 10,000 parts with a checksum each. */
const MAX_COMPLETE_BYTES = 4 * 1024 * 1024;
/** Copying 5 GiB of parts sends nothing over the socket; the idle limit must not cut the answer off. */
const COMPLETE_LIMIT_MS = 10 * 60_000;

const uploadIdOf = ({ target }: Pick<RequestContext, 'target'>) => target.query.get('uploadId') ?? '';
const quoted = (facts: Pick<ObjectInfo, 'etag'>) => `"${facts.etag}"`;

export const createUpload: Operation = async (exchange, store) => {
  const { key } = exchange.target;
  const headers = readStoredHeaders(exchange.headers);
  const upload = await store.uploads.create({ key, startedAt: store.clock.now(), headers });
  const tree = { Bucket: store.bucket, Key: key, UploadId: upload.uploadId };
  send(exchange, 200, {}, renderDocument('InitiateMultipartUploadResult', tree));
};

export const uploadPart: Operation = async (exchange, store) => {
  const partNumber = readNumber(exchange, 'partNumber', { from: 1, to: MAX_PARTS });
  readStoredHeaders(exchange.headers); // refuses a copy-source
  const { key } = exchange.target;
  const upload = await store.uploads.find(key, uploadIdOf(exchange));
  await receiveInto(exchange, store, async (draft, { sizeBytes, md5, checksum }) => {
    const facts: ObjectInfo = {
      key,
      sizeBytes,
      etag: md5.toString('hex'),
      modifiedAt: store.clock.now(),
      headers: {},
      ...(checksum ? { checksum } : {}),
    };
    await store.uploads.putPart(upload, partNumber, draft, facts);
    send(exchange, 200, { etag: quoted(facts), 'content-length': 0, ...checksumHeaders(facts) });
  });
};

export const completeUpload: Operation = async (exchange, store) => {
  const { key } = exchange.target;
  const condition = readWriteCondition(exchange.headers);
  const parts = parseComplete(await receiveXml(exchange, MAX_COMPLETE_BYTES));
  exchange.request.socket.setTimeout(COMPLETE_LIMIT_MS);
  const now = store.clock.now();
  const facts = await store.uploads.complete(key, uploadIdOf(exchange), parts, { now, condition });
  const tree = {
    Location: exchange.target.canonicalPath,
    Bucket: store.bucket,
    Key: key,
    ETag: quoted(facts),
  };
  send(exchange, 200, {}, renderDocument('CompleteMultipartUploadResult', tree));
};

export const abortUpload: Operation = async (exchange, store) => {
  const upload = await store.uploads.find(exchange.target.key, uploadIdOf(exchange));
  await store.uploads.abort(upload);
  send(exchange, 204, {});
};

export const listParts: Operation = async (exchange, store) => {
  const upload = await store.uploads.find(exchange.target.key, uploadIdOf(exchange));
  const maxParts = readNumber(exchange, 'max-parts', { otherwise: 1000, from: 1, to: 1000 });
  const marker = readNumber(exchange, 'part-number-marker', { otherwise: 0, from: 0, to: MAX_PARTS });
  const later = (await store.uploads.parts(upload)).filter((part) => part.partNumber > marker);
  const page = later.slice(0, maxParts);
  const more = later.length > page.length;
  const tree = {
    Bucket: store.bucket,
    Key: upload.key,
    UploadId: upload.uploadId,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.partNumber ?? 0,
    MaxParts: maxParts,
    IsTruncated: more,
    StorageClass: 'STANDARD',
    Part: page.map(({ partNumber, info: facts }) => ({
      PartNumber: partNumber,
      LastModified: facts.modifiedAt.toISOString(),
      ETag: quoted(facts),
      Size: facts.sizeBytes,
    })),
  };
  send(exchange, 200, {}, renderDocument('ListPartsResult', tree));
};

export const listUploads: Operation = async (exchange, store) => {
  const { query } = exchange.target;
  if (query.get('delimiter'))
    throw new S3Error('NotImplemented', 'Uploads are listed without a delimiter only.');
  const prefix = query.get('prefix') ?? '';
  const [keyMarker, idMarker] = [query.get('key-marker') ?? '', query.get('upload-id-marker') ?? ''];
  const maxUploads = readNumber(exchange, 'max-uploads', { otherwise: 1000, from: 1, to: 1000 });
  const compared = (key: string) => Buffer.compare(Buffer.from(key), Buffer.from(keyMarker));
  const later = (await store.uploads.list()).filter(
    ({ key, uploadId }) =>
      key.startsWith(prefix) &&
      (compared(key) > 0 || (compared(key) === 0 && idMarker !== '' && uploadId > idMarker)),
  );
  const page = later.slice(0, maxUploads);
  const more = later.length > page.length;
  const shown = query.get('encoding-type') === 'url' ? encodeURIComponent : (key: string) => key;
  const tree = {
    Bucket: store.bucket,
    KeyMarker: shown(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: more ? shown(page.at(-1)!.key) : undefined,
    NextUploadIdMarker: more ? page.at(-1)!.uploadId : undefined,
    Prefix: shown(prefix),
    EncodingType: query.has('encoding-type') ? 'url' : undefined,
    MaxUploads: maxUploads,
    IsTruncated: more,
    Upload: page.map((upload) => ({
      Key: shown(upload.key),
      UploadId: upload.uploadId,
      StorageClass: 'STANDARD',
      Initiated: upload.startedAt.toISOString(),
    })),
  };
  send(exchange, 200, {}, renderDocument('ListMultipartUploadsResult', tree));
};
