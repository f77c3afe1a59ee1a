/**
 * Decides which operation a request is. S3 tells operations apart by query parameters, so an unknown parameter is
 * refused: were it ignored, `PUT /key?acl` would overwrite the object with an ACL.
 */
import type { RequestTarget } from '../protocol/request-target.ts';
import { S3Error } from '../protocol/responses.ts';
import { listObjects, listUploads } from './list-operations.ts';
import { deleteObject, getObject, putObject } from './object-operations.ts';
import type { Operation } from './request-context.ts';
import { abortUpload, completeUpload, createUpload, uploadPart } from './upload-operations.ts';

interface Route {
  readonly methods: readonly string[];
  readonly on: 'bucket' | 'object';
  /** Parameters that make it this operation. */
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  readonly operation: Operation;
}

const LIST_OBJECTS_PARAMETERS = ['prefix', 'start-after', 'continuation-token', 'max-keys'];

const ROUTES: readonly Route[] = [
  { methods: ['PUT'], on: 'object', required: ['partNumber', 'uploadId'], operation: uploadPart },
  { methods: ['PUT'], on: 'object', required: [], operation: putObject },
  { methods: ['GET', 'HEAD'], on: 'object', required: [], operation: getObject },
  { methods: ['DELETE'], on: 'object', required: ['uploadId'], operation: abortUpload },
  { methods: ['DELETE'], on: 'object', required: [], operation: deleteObject },
  { methods: ['POST'], on: 'object', required: ['uploads'], operation: createUpload },
  { methods: ['POST'], on: 'object', required: ['uploadId'], operation: completeUpload },
  {
    methods: ['GET'],
    on: 'bucket',
    required: ['uploads'],
    optional: ['prefix', 'max-uploads'],
    operation: listUploads,
  },
  {
    methods: ['GET'],
    on: 'bucket',
    required: ['list-type'],
    optional: LIST_OBJECTS_PARAMETERS,
    operation: listObjects,
  },
];

/** Parameters of any request: the signature's, and the SDK's label for logs. */
const isCommon = (name: string) => name === 'x-id' || /^x-amz-/i.test(name);

/** @throws S3Error NoSuchBucket, MethodNotAllowed, NotImplemented */
export function chooseOperation(method: string, target: RequestTarget, bucketName: string): Operation {
  if (target.bucket === '') throw new S3Error('NotImplemented', 'Listing buckets is not implemented.');
  if (target.bucket !== bucketName) throw new S3Error('NoSuchBucket', 'The specified bucket does not exist.');
  const on = target.key === '' ? 'bucket' : 'object';
  const candidates = ROUTES.filter((route) => route.on === on && route.methods.includes(method));
  if (candidates.length === 0) throw new S3Error('MethodNotAllowed', 'The method is not allowed here.');
  const names = [...target.query.keys()].filter((name) => !isCommon(name));
  const route = candidates.find(({ required }) => required.every((name) => names.includes(name)));
  const unknown = names.find((name) => !route?.required.includes(name) && !route?.optional?.includes(name));
  if (!route || unknown !== undefined)
    throw new S3Error('NotImplemented', 'This operation, or one of its parameters, is not implemented.');
  return route.operation;
}
