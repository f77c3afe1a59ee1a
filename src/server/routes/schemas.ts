/** What the API answers, as schemas: for the documentation, and for the tests that hold it true. */
import { z } from 'zod';
import { KINDS, referenceSchema, SOURCES, STATUSES, WAITING_REASONS } from '../../media.ts';
import { currentChecksSchema } from './health-schemas.ts';

// Exported as plain ZodType: an answer is JSON text, where Dates have become strings; types cannot compare the two.

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

const failureSchema = z
  .object({
    code: z.string().describe('stable machine name'),
    class: z.string(),
    errcode: z.number().int().optional().describe("WeChat's own number"),
    errmsg: z.string().optional(),
    rid: z.string().optional().describe("Tencent's request id; their support asks for it"),
    detail: z.string().optional(),
    message: z.string().describe('what happened, in the language asked for'),
    advice: z.string().describe('what to do'),
  })
  .meta({ id: 'Failure' });

const LEFT = z.object({
  bucket: z.string(),
  key: z.string(),
  versionId: z.string().optional(),
  why: z.enum(['locked', 'refused', 'otherBucket']),
  until: z.string().optional().describe('when the storage lets go of it, where it tells'),
  legalHold: z.boolean().optional(),
  detail: z.string().optional(),
});
const UNFINISHED = {
  since: time,
  why: z.enum(['busy', 'trouble', 'kept']).optional(),
  problem: z.string().optional(),
  left: z.array(LEFT).optional().describe('what the storage does not let go of'),
};

export const ERASURE: z.ZodType = z
  .object({
    id: z.string(),
    account: z.string(),
    actor: z.string(),
    reason: z.string().optional(),
    state: z
      .enum(['running', 'kept', 'done', 'failed'])
      .describe('kept: the storage does not let go of what is left; it is tried again by itself'),
    total: count.describe('media marked so far, thumbs and variants among them'),
    done: count.describe('of which nothing is left'),
    problem: z.string().optional(),
    createdAt: time,
    finishedAt: time.optional(),
    unfinished: z.array(z.object({ id: z.string(), ...UNFINISHED })).describe('at most 100'),
    notFound: z.array(z.string()).optional().describe('ids that are no media of the account'),
  })
  .meta({ id: 'Erasure' });

const ATTEMPT = z.object({
  startedAt: time,
  endedAt: time,
  ms: z.number(),
  outcome: z.string(),
  code: z.string().optional(),
  errcode: z.number().int().optional(),
  bytes: count.optional(),
});

export const mediaSchema: z.ZodType = z
  .object({
    id: z.string(),
    account: z.string(),
    status: z.enum(STATUSES),
    waiting: z.object({ reason: z.enum(WAITING_REASONS), until: time.optional() }).optional(),
    mediaId: z.string().optional(),
    kind: z.enum(KINDS).optional(),
    variant: z.enum(['16k', 'jssdk']).optional(),
    parentId: z.string().optional(),
    openId: z.string().optional(),
    msgId: z.string().optional(),
    picUrl: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    sentAt: time.optional(),
    expiresAt: time.optional(),
    closesAt: time.optional(),
    tries: count,
    bucket: z.string().optional(),
    objectKey: z.string().optional(),
    sizeBytes: count.optional(),
    sha256: z.string().optional(),
    contentType: z.string().optional().describe('by the first bytes'),
    declaredType: z.string().optional().describe('as WeChat said'),
    fileName: z.string().optional(),
    source: z.enum(SOURCES).optional(),
    lengthVerified: z.boolean().optional(),
    failure: failureSchema.optional(),
    redrives: count.optional().describe('how often somebody had it tried again'),
    lastRedrive: z
      .object({
        at: time,
        by: z.string().describe('the name of the key'),
        reason: z.string().optional(),
        redrive: z.string().optional().describe('the redrive of many that it was part of'),
      })
      .optional(),
    createdAt: time,
    updatedAt: time,
    archivedAt: time.optional(),
    erasedAt: time.optional().describe('of an erased media: nothing of it is left'),
    erasing: z.object(UNFINISHED).optional().describe('an erasure that is not finished'),
    link: z.object({ url: z.url(), expiresAt: time }).optional().describe('with include=link'),
    attemptLog: z.array(ATTEMPT).optional().describe('with include=attempts'),
  })
  .meta({ id: 'Media', description: 'A media and where it is. Absent fields are unknown or do not apply.' });

const spooled = z
  .literal(true)
  .optional()
  .describe(
    'the catalogue is away: kept on local disk, and written when it is back; a row that is there already stays as it is',
  );

/** Without its row: the reference as it was given. */
export const ACCEPTED_MEDIA: z.ZodType = z.union([
  mediaSchema,
  referenceSchema.extend({ id: z.string(), status: z.enum(STATUSES), spooled }),
]);

export const problemSchema: z.ZodType = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('stable machine name'),
    detail: z.string().optional(),
    advice: z.string().describe('what to do, in the language of Accept-Language (en or zh)'),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

export const MEDIA_PAGE: z.ZodType = z.object({
  items: z.array(mediaSchema),
  nextCursor: z.string().nullable().describe('null on the last page'),
});

export const BATCH_RESULTS: z.ZodType = z.object({
  results: z.array(
    z.union([
      z.object({ index: count, id: z.string(), status: z.enum(STATUSES), spooled }),
      z.object({ index: count, problem: problemSchema }),
    ]),
  ),
});

export const CONTENT: Record<200 | 202 | 206 | 302, z.ZodType> = {
  200: z.unknown().describe('the file (proxy=true)'),
  202: mediaSchema,
  206: z.unknown().describe('a range of the file (proxy=true)'),
  302: z.null().describe('a signed link; the same inside its time window'),
};

const deadLetterGroupsSchema = z.array(
  z.object({
    account: z.string(),
    code: z.string(),
    errcode: z.number().int().optional(),
    class: z.string().optional(),
    count,
    firstAt: time,
    lastAt: time,
    message: z.string(),
    advice: z.string(),
  }),
);
export const DEAD_LETTERS: z.ZodType = z.object({ groups: deadLetterGroupsSchema });

export const PREVIEW: z.ZodType = z.object({ matched: count, groups: deadLetterGroupsSchema });
export const ASKED: z.ZodType = z.object({ id: z.string(), matched: count });

export const REDRIVE: z.ZodType = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'stopped', 'done']),
    done: count.describe('media that became pending by it'),
    skipped: count.describe('at the end: media that were archived, erased or pending before their turn came'),
    total: count,
    filter: z.looseObject({}),
    rate: count.describe('media per second'),
    actor: z.string().describe('the name of the key that asked for it'),
    reason: z.string().optional(),
    askedAt: time,
    endedAt: time.optional(),
  })
  .meta({ id: 'Redrive' });
export const REDRIVES: z.ZodType = z.object({ items: z.array(REDRIVE) });

export const EVENTS: z.ZodType = z.object({
  items: z.array(
    z.object({
      seq: count,
      at: time,
      actor: z.string().describe('the name of a key, or the part of the program'),
      action: z.string().describe('redrive, redrive.stop, erase, hold, release, adopt'),
      target: z.string().describe('an id of a media, an account, a redrive'),
      reason: z.string().optional(),
    }),
  ),
  nextBefore: count.nullable().describe('null on the last page'),
});

export const RECOUNT: z.ZodType = z.object({
  corrected: count.describe('by how many items the counts were wrong'),
  accounts: z.array(z.string()).describe('whose counts were wrong'),
});

const storeHoldSchema = failureSchema.extend({
  since: time,
  until: time.describe('then the store is probed again'),
});

export const STORE: z.ZodType = z.object({
  items: z.array(
    z.object({
      name: z.string(),
      bucket: z.string(),
      embedded: z.boolean(),
      failure: failureSchema.nullable().describe('what is wrong with it now'),
    }),
  ),
  hold: storeHoldSchema.nullable().describe('why all archiving waits'),
});

export const STATS: z.ZodType = z.object({
  byStatus: z.record(z.enum(STATUSES), count),
  backlog: z
    .object({ overdue: count, under1h: count, under6h: count, under24h: count, over24h: count })
    .describe('pending media by the time left until expiresAt'),
  waiting: z.record(z.string(), count).describe('pending media by why they wait'),
  atRisk: count.describe('pending media with less than six hours left'),
  tightestExpirySeconds: z.number().optional(),
  oldestPendingSeconds: z.number().optional(),
  archivedPerMinute: z.number(),
  storeHold: storeHoldSchema.nullable().describe('why all archiving waits: the store takes nothing'),
  checks: currentChecksSchema,
});

const CALLBACK_COUNTS = z.object({
  received: z.record(z.string(), count).describe('by type of message'),
  refused: z.record(z.string(), count).describe('by reason'),
});

export const ACCOUNT: z.ZodType = z
  .object({
    account: z.string(),
    name: z.string().optional(),
    product: z.string(),
    callbackUrl: z.string(),
    lastCallbackAt: time.optional(),
    callbacks: z.object({ today: CALLBACK_COUNTS, last7Days: CALLBACK_COUNTS }).describe('days of UTC'),
    clockSkew: z
      .object({ seconds: z.number().int(), at: time, message: z.string(), advice: z.string() })
      .optional()
      .describe('the clock of this server against the timestamps WeChat health, where it is off'),
    token: z.object({ expiresAt: time }).optional(),
    customerService: z
      .array(
        z.object({
          openKfId: z.string(),
          lastReadAt: time.optional().describe('when its messages were last read to the end'),
          failure: failureSchema
            .extend({ since: time.optional() })
            .optional()
            .describe('why they cannot be read now'),
        }),
      )
      .optional()
      .describe('WeCom: the customer-service accounts that callbacks spoke of'),
    hold: failureSchema
      .extend({
        reason: z.string().describe('the words of whoever holds it by hand; else why it is held'),
        since: time.optional(),
        until: time.optional().describe('then one media is tried; absent: until it is released'),
        by: z.string().optional().describe('the name of the key that holds it; absent: held by itself'),
      })
      .nullable(),
  })
  .meta({ id: 'Account' });

export const ACCOUNTS: z.ZodType = z.object({ items: z.array(ACCOUNT) });

export const ALERT_SENT: z.ZodType = z.object({
  to: z.enum(['wecom', 'dingtalk', 'feishu', 'lark', 'json']).describe('what ALERT_URL was taken for'),
  sent: z.literal(true),
});

export const LOGIN_LINK: z.ZodType = z.object({
  url: z.url().describe('a secret until it is used'),
  expiresAt: time,
});
