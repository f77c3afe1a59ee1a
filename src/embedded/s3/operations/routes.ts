/**
 * Which operation a request is. S3 tells them apart by parameters, so an unknown parameter is refused: taken for
 * noise, `PUT /key?acl` would overwrite the object with an ACL.
 */

import type { RequestTarget } from '../protocol/request-target.ts';
import { S3Error } from '../protocol/responses.ts';
import {
  createBucket,
  deleteObjects,
  getBucketLocation,
  headBucket,
  listObjects,
} from './bucket-operations.ts';
import { deleteObject, getObject, putObject } from './object-operations.ts';
import type { Operation } from './request-context.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  uploadPart,
} from './upload-operations.ts';

interface Route {
  readonly methods: string;
  readonly on: 'bucket' | 'object';
  /** Parameters that make it this operation. */
  readonly needs: readonly string[];
  readonly takes?: readonly string[];
  readonly operation: Operation;
}

const OVERRIDES = [
  'content-type',
  'content-disposition',
  'content-language',
  'content-encoding',
  'cache-control',
  'expires',
];

const ROUTES: readonly Route[] = [
  { methods: 'PUT', on: 'object', needs: ['partNumber', 'uploadId'], operation: uploadPart },
  { methods: 'PUT', on: 'object', needs: [], operation: putObject },
  {
    methods: 'GET',
    on: 'object',
    needs: ['uploadId'],
    takes: ['max-parts', 'part-number-marker'],
    operation: listParts,
  },
  {
    methods: 'GET HEAD',
    on: 'object',
    needs: [],
    takes: OVERRIDES.map((name) => `response-${name}`),
    operation: getObject,
  },
  { methods: 'DELETE', on: 'object', needs: ['uploadId'], operation: abortUpload },
  { methods: 'DELETE', on: 'object', needs: [], operation: deleteObject },
  { methods: 'POST', on: 'object', needs: ['uploads'], operation: createUpload },
  { methods: 'POST', on: 'object', needs: ['uploadId'], operation: completeUpload },
  { methods: 'HEAD', on: 'bucket', needs: [], operation: headBucket },
  { methods: 'PUT', on: 'bucket', needs: [], operation: createBucket },
  { methods: 'GET', on: 'bucket', needs: ['location'], operation: getBucketLocation },
  {
    methods: 'GET',
    on: 'bucket',
    needs: ['uploads'],
    takes: ['prefix', 'delimiter', 'key-marker', 'upload-id-marker', 'max-uploads', 'encoding-type'],
    operation: listUploads,
  },
  {
    methods: 'GET',
    on: 'bucket',
    needs: ['list-type'],
    takes: [
      'prefix',
      'delimiter',
      'start-after',
      'continuation-token',
      'max-keys',
      'encoding-type',
      'fetch-owner',
    ],
    operation: listObjects,
  },
  { methods: 'POST', on: 'bucket', needs: ['delete'], operation: deleteObjects },
];

/** Parameters any request may carry: the signature's, and the SDK's label for its logs. */
const isCommon = (name: string) => name === 'x-id' || /^x-amz-/i.test(name);

/** @throws S3Error NoSuchBucket, MethodNotAllowed, NotImplemented */
export function chooseOperation(method: string, target: RequestTarget, bucket: string): Operation {
  const on = target.key === '' ? 'bucket' : 'object';
  const candidates = ROUTES.filter((route) => route.on === on && route.methods.split(' ').includes(method));
  if (target.bucket !== bucket && !(on === 'bucket' && method === 'PUT'))
    throw target.bucket === ''
      ? new S3Error('NotImplemented', 'Listing buckets is not implemented.')
      : new S3Error('NoSuchBucket', 'The specified bucket does not exist.');
  const names = [...target.query.keys()].filter((name) => !isCommon(name));
  const route = candidates.find(({ needs }) => needs.every((name) => names.includes(name)));
  const unknown = names.find((name) => !route?.needs.includes(name) && !route?.takes?.includes(name));
  if (route && unknown === undefined) return route.operation;
  if (candidates.length === 0) throw new S3Error('MethodNotAllowed', 'The method is not allowed here.');
  throw new S3Error('NotImplemented', 'This operation, or one of its parameters, is not implemented.');
}
