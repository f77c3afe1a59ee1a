/** ListObjectsV2 and ListMultipartUploads. */
import { listPage } from '../files/listing.ts';
import { renderDocument, S3Error } from '../protocol/responses.ts';
import { type Operation, readNumber, send } from './request-context.ts';

export const listObjects: Operation = async (context, bucket) => {
  const { query } = context.target;
  if (query.get('list-type') !== '2')
    throw new S3Error('NotImplemented', 'Only version 2 of ListObjects is implemented.');
  const listing = {
    prefix: query.get('prefix') ?? '',
    startAfter: query.get('start-after') ?? '',
    continuationToken: query.get('continuation-token'),
    maxKeys: Math.min(1000, readNumber(context, 'max-keys', { otherwise: 1000, from: 0, to: 999_999_999 })),
  };
  const page = await listPage(bucket.objects.root, listing);
  const tree = {
    Name: bucket.name,
    Prefix: listing.prefix,
    StartAfter: listing.startAfter || undefined,
    MaxKeys: listing.maxKeys,
    KeyCount: page.objects.length,
    IsTruncated: page.nextToken !== undefined,
    ContinuationToken: listing.continuationToken,
    NextContinuationToken: page.nextToken,
    Contents: page.objects.map((info) => ({
      Key: info.key,
      LastModified: info.modifiedAt.toISOString(),
      ETag: `"${info.etag}"`,
      Size: info.sizeBytes,
      StorageClass: 'STANDARD',
    })),
  };
  send(context, 200, {}, renderDocument('ListBucketResult', tree));
};

/** One page without markers: more than 1,000 open uploads of one prefix are never needed. */
export const listUploads: Operation = async (context, bucket) => {
  const prefix = context.target.query.get('prefix') ?? '';
  const maxUploads = readNumber(context, 'max-uploads', { otherwise: 1000, from: 1, to: 1000 });
  const uploads = (await bucket.uploads.list()).filter(({ key }) => key.startsWith(prefix));
  const tree = {
    Bucket: bucket.name,
    Prefix: prefix,
    MaxUploads: maxUploads,
    IsTruncated: uploads.length > maxUploads,
    Upload: uploads.slice(0, maxUploads).map((upload) => ({
      Key: upload.key,
      UploadId: upload.uploadId,
      StorageClass: 'STANDARD',
      Initiated: upload.startedAt.toISOString(),
    })),
  };
  send(context, 200, {}, renderDocument('ListMultipartUploadsResult', tree));
};
