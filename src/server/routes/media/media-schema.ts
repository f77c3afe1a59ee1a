/** The schema of a media item, as several routes return it. */
import { z } from 'zod';
import { KINDS, SOURCES, STATUSES, WAITING_REASONS } from '../../../media.ts';
import { failureSchema } from '../failure-schema.ts';
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
