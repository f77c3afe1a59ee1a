/** What concerns the one bucket: is it there, where, and what is in it. */

import { listPage } from '../files/listing.ts';
import { escapeUri } from '../protocol/request-target.ts';
import { parseDelete } from '../protocol/request-xml.ts';
import { renderDocument, S3Error } from '../protocol/responses.ts';
import { type Operation, readNumber, receiveXml, send } from './request-context.ts';

/** 1,000 keys of 1,024 bytes, each byte escaped at the worst as `&quot;`, would be 6 MiB; real keys are 60 bytes. */
const MAX_DELETE_BYTES = 2 * 1024 * 1024;

export const headBucket: Operation = async (exchange, store) =>
  send(exchange, 200, { 'x-amz-bucket-region': store.region, 'content-length': 0 });

/** The bucket exists because it is configured; no other is ever made. */
export const createBucket: Operation = async (exchange, store) => {
  if (exchange.target.bucket === store.bucket)
    throw new S3Error('BucketAlreadyOwnedByYou', 'The bucket exists already.');
  throw new S3Error('AccessDenied', 'This server holds one bucket and makes no other.');
};

export const getBucketLocation: Operation = async (exchange, store) => {
  // us-east-1 has always been the empty name here.
  const region = store.region === 'us-east-1' ? '' : store.region;
  send(exchange, 200, {}, renderDocument('LocationConstraint', region));
};

export const listObjects: Operation = async (exchange, store) => {
  const { query } = exchange.target;
  if (query.get('list-type') !== '2')
    throw new S3Error('NotImplemented', 'Only version 2 of ListObjects is implemented.');
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url')
    throw new S3Error('InvalidArgument', 'The only encoding-type is url.');
  const shown = (text: string) => (encoding ? escapeUri(text).replaceAll('%2F', '/') : text);
  const asked = {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    startAfter: query.get('start-after') ?? '',
    continuationToken: query.get('continuation-token'),
    maxKeys: Math.min(1000, readNumber(exchange, 'max-keys', { otherwise: 1000, from: 0, to: 999_999_999 })),
  };
  const page = await listPage(store.objects.root, asked);
  const tree = {
    Name: store.bucket,
    Prefix: shown(asked.prefix),
    Delimiter: asked.delimiter ? shown(asked.delimiter) : undefined,
    StartAfter: asked.startAfter ? shown(asked.startAfter) : undefined,
    MaxKeys: asked.maxKeys,
    KeyCount: page.objects.length + page.commonPrefixes.length,
    IsTruncated: page.nextToken !== undefined,
    ContinuationToken: asked.continuationToken,
    NextContinuationToken: page.nextToken,
    EncodingType: encoding,
    Contents: page.objects.map((facts) => ({
      Key: shown(facts.key),
      LastModified: facts.modifiedAt.toISOString(),
      ETag: `"${facts.etag}"`,
      Size: facts.sizeBytes,
      StorageClass: 'STANDARD',
    })),
    CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: shown(prefix) })),
  };
  send(exchange, 200, {}, renderDocument('ListBucketResult', tree));
};

export const deleteObjects: Operation = async (exchange, store) => {
  const { keys, quiet } = parseDelete(await receiveXml(exchange, MAX_DELETE_BYTES));
  for (const key of keys) await store.objects.delete(key);
  const tree = quiet ? {} : { Deleted: keys.map((key) => ({ Key: key })) };
  send(exchange, 200, {}, renderDocument('DeleteResult', tree));
};
