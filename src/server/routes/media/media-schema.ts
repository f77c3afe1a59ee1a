/** The schema of a media item, as several routes return it, with an example for each status. */
import { z } from 'zod';
import { COUNT_LIMIT } from '../../../catalogue/media/pages.ts';
import { idOf, KINDS, SOURCES, STATUSES, WAITING_REASONS } from '../../../media.ts';
import { Problem, problemBody } from '../../problem.ts';
import { failureExample, failureSchema } from '../failure-schema.ts';
import { count, responseTime } from '../field-schemas.ts';

/** Why an erasure is not finished. */
export const unfinishedErasureFields = {
  since: responseTime,
  why: z.enum(['busy', 'failure', 'kept']).optional(),
  problem: z.string().optional(),
  left: z
    .array(
      z.object({
        bucket: z.string(),
        key: z.string(),
        versionId: z.string().optional(),
        why: z.enum(['locked', 'refused', 'otherBucket']),
        until: z.string().optional().describe('when the retention of the storage ends, if it is known'),
        legalHold: z.boolean().optional(),
        detail: z.string().optional(),
      }),
    )
    .optional()
    .describe('the objects that the storage refuses to delete'),
};

const attemptSchema = z.object({
  startedAt: responseTime,
  endedAt: responseTime,
  ms: z.number(),
  outcome: z.string(),
  code: z.string().optional(),
  errcode: z.number().int().optional(),
  message: z.string().optional().describe('the failure in words'),
  bytes: count.optional(),
});

export const mediaSchema: z.ZodType = z
  .object({
    id: z.string(),
    account: z.string(),
    status: z.enum(STATUSES),
    waiting: z.object({ reason: z.enum(WAITING_REASONS), until: responseTime.optional() }).optional(),
    mediaId: z.string().optional(),
    kind: z.enum(KINDS).optional(),
    variant: z.enum(['16k', 'jssdk']).optional(),
    parentId: z.string().optional(),
    openId: z.string().optional(),
    msgId: z.string().optional(),
    picUrl: z.string().optional(),
    text: z
      .string()
      .optional()
      .describe('what WeChat recognised in a voice, or the title of a forwarded item'),
    labels: z.record(z.string(), z.string()).optional(),
    traceparent: z.string().optional().describe('the trace of the item (W3C Trace Context)'),
    sentAt: responseTime.optional(),
    expiresAt: responseTime.optional(),
    closesAt: responseTime.optional(),
    attempts: count,
    bucket: z.string().optional(),
    objectKey: z.string().optional(),
    sizeBytes: count.optional(),
    sha256: z.string().optional(),
    contentType: z.string().optional().describe('according to the first bytes'),
    declaredType: z.string().optional().describe('as WeChat declared it'),
    fileName: z.string().optional(),
    source: z.enum(SOURCES).optional(),
    lengthVerified: z.boolean().optional(),
    failure: failureSchema.optional(),
    redrives: count.optional().describe('how many times it was redriven'),
    lastRedrive: z
      .object({
        at: responseTime,
        by: z.string().describe('the name of the key'),
        reason: z.string().optional(),
        redrive: z.string().optional().describe('the id of the bulk redrive it was part of'),
      })
      .optional(),
    createdAt: responseTime,
    updatedAt: responseTime,
    archivedAt: responseTime.optional(),
    erasedAt: responseTime.optional().describe('when all data of an erased media item was deleted'),
    erasing: z.object(unfinishedErasureFields).optional().describe('an erasure that is not finished'),
    link: z.object({ url: z.url(), expiresAt: responseTime }).optional().describe('with include=link'),
    attemptLog: z.array(attemptSchema).optional().describe('with include=attemptLog'),
  })
  .meta({
    id: 'Media',
    description: 'A media item and its object. Absent fields are unknown or do not apply.',
  });

/** What a producer sends. */
export const referenceExample = {
  account: 'wx0123456789abcdef',
  mediaId: 'Zu8gHl3ONgVyTdGCNsUwI9Gsd1tOYBLLzMw7aLJ6m4a0zY5pXN5mZHD7F0sT9Qhe',
  kind: 'image',
  openId: 'oLVPpjqs9BhvzwPj5A-vTYAX3GLc',
  msgId: '24580123456789012',
  sentAt: '2026-11-20T08:00:00Z',
  labels: { ticket: '1042' },
};

export const mediaIdExample = idOf(referenceExample.account, referenceExample.mediaId);

/** The fields that all items have, except erased ones. */
const common = {
  id: mediaIdExample,
  ...referenceExample,
  sentAt: '2026-11-20T08:00:00.000Z',
  expiresAt: '2026-11-23T08:00:00.000Z',
  closesAt: '2026-11-23T10:00:00.000Z',
  createdAt: '2026-11-20T08:00:00.412Z',
  redrives: 0,
};

export const pendingExample = {
  ...common,
  status: 'pending',
  waiting: { reason: 'queued' },
  attempts: 0,
  updatedAt: '2026-11-20T08:00:00.412Z',
};

export const archivedExample = {
  ...common,
  status: 'archived',
  attempts: 1,
  bucket: 'wechat-media',
  objectKey: `wx0123456789abcdef/2026/11/20/${mediaIdExample}.jpg`,
  sizeBytes: 184_320,
  sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  contentType: 'image/jpeg',
  declaredType: 'image/jpeg',
  source: 'media_get',
  lengthVerified: true,
  updatedAt: '2026-11-20T08:00:05.120Z',
  archivedAt: '2026-11-20T08:00:05.120Z',
};

export const deadExample = {
  ...common,
  status: 'dead',
  attempts: 1,
  failure: failureExample,
  updatedAt: '2026-11-20T08:00:02.733Z',
};

export const erasedExample = {
  id: mediaIdExample,
  account: common.account,
  status: 'erased',
  attempts: 1,
  createdAt: common.createdAt,
  updatedAt: '2026-12-01T09:30:00.000Z',
  erasedAt: '2026-12-01T09:30:00.000Z',
};

export const mediaPageSchema: z.ZodType = z.object({
  items: z.array(mediaSchema),
  nextCursor: z.string().nullable().describe('null on the last page'),
  previousCursor: z.string().nullable().describe('null on the first page'),
  count: count
    .optional()
    .describe(`with include=count: how many items match on all pages together, at most ${COUNT_LIMIT}`),
  countIsExact: z.boolean().optional().describe('false: more items than count match'),
});

export const mediaPageExample = {
  items: [archivedExample],
  nextCursor: 'eyJ2IjoxLCJzIjoic2VudEF0In0',
  previousCursor: null,
};

/** Two references, of which one is not valid, and what becomes of them. */
export const batchExample = { items: [referenceExample, { ...referenceExample, kind: 'picture' }] };
const KIND_ERROR = {
  field: 'kind',
  message: { en: `must be one of ${KINDS.join(', ')}`, zh: `必须是以下值之一：${KINDS.join('、')}` },
};
export const batchResultsExample = {
  results: [
    { index: 0, id: mediaIdExample, status: 'pending' },
    { index: 1, problem: problemBody(new Problem('invalid_request', { errors: [KIND_ERROR] }), 'en') },
  ],
};
