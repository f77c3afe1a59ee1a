/** The schemas of webhook endpoints and deliveries. */
import { z } from 'zod';
import { DELIVERY_STATES } from '../../../catalogue/webhooks/delivery-row.ts';
import { DISABLED_REASONS } from '../../../catalogue/webhooks/endpoint-row.ts';
import { EVENT_TYPES } from '../../../event.ts';
import { formatted, saying } from '../../../field-errors.ts';
import { text } from '../../../media.ts';
import { DELIVERY_FAILURES } from '../../../pipeline/webhooks/delivery-failures.ts';
import { count, requestTime, responseTime, trimmedText } from '../field-schemas.ts';

export const webhookParams = z.object({
  id: formatted(/^(whe_[0-9a-f]{24}|configured)$/, {
    en: 'must be the id of a webhook endpoint',
    zh: '必须是接收地址的 ID',
  }),
});
export const deliveryParams = webhookParams.extend({
  delivery: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
});

const MAX_ACCOUNTS = 200;
const fields = {
  description: trimmedText(200).nullish().describe('what it is for'),
  types: z
    .array(z.enum(EVENT_TYPES))
    .min(1)
    .max(EVENT_TYPES.length)
    .nullish()
    .describe('only events of these types; null or absent: all'),
  accounts: z
    .array(text(128))
    .min(1)
    .max(MAX_ACCOUNTS)
    .nullish()
    .describe(
      'only events of these accounts, by id or name, so none of the store; null or absent: all of the key',
    ),
};
const url = text(2048).describe('https; http and private addresses only for hosts in WEBHOOK_ALLOW_HOSTS');

export const createBody = z.strictObject({ url, ...fields });
export const changeBody = z
  .strictObject({ url: url.optional(), ...fields })
  .refine(
    (body) => Object.keys(body).length > 0,
    saying({ en: 'must have a field to change', zh: '至少要有一个要修改的字段' }),
  );
export const replayBody = z.strictObject({
  from: requestTime.describe('events that came into the feed at this time or later'),
  to: requestTime.optional().describe('and before this time; default: now'),
});

const reasons = Object.keys(DELIVERY_FAILURES).join(', ');

export const endpointSchema: z.ZodType = z
  .object({
    id: z.string(),
    url: z.string().describe('without its query for keys below admin'),
    description: z.string().optional(),
    types: z.array(z.string()).nullable().describe('null: all types'),
    accounts: z.array(z.string()).nullable().describe('null: all accounts, and the store'),
    isConfigured: z.boolean().describe('it comes from WEBHOOK_URL, and is changed there'),
    state: z
      .enum(['active', 'failing', 'disabled'])
      .describe('failing: the last delivery that ended had failed'),
    disabled: z
      .object({ at: responseTime, reason: z.enum(DISABLED_REASONS), message: z.string() })
      .nullable(),
    failingSince: responseTime.optional().describe('the first failure since the last success'),
    lastSuccessAt: responseTime.optional(),
    lastFailure: z
      .object({
        at: responseTime,
        reason: z.string().describe(reasons),
        message: z.string(),
        status: z.number().int().optional(),
      })
      .optional(),
    pending: count.describe(
      'deliveries that wait or are being sent; counted up to 10,000, where new ones wait too',
    ),
    hasMissed: z
      .boolean()
      .describe('whether EVENT_RETENTION removed events before deliveries were made of them'),
    behind: count
      .optional()
      .describe('events of the feed that were not looked at yet; absent for keys bound to accounts'),
    missed: count
      .optional()
      .describe('events of the feed that EVENT_RETENTION removed before they were looked at; likewise'),
    previousSecretUntil: responseTime
      .optional()
      .describe('after a rotation: until then the old secret signs too'),
    createdAt: responseTime,
    createdBy: z.string().describe('the name of a key'),
    updatedAt: responseTime,
  })
  .meta({ id: 'WebhookEndpoint' });

export const endpointsSchema: z.ZodType = z.object({ items: z.array(endpointSchema) });

export const withSecretSchema: z.ZodType = z
  .intersection(
    endpointSchema,
    z.object({ secret: z.string().describe('whsec_…: the signing secret, which is shown only now') }),
  )
  .meta({ id: 'WebhookEndpointWithSecret' });

export const testedSchema: z.ZodType = z.object({
  delivered: z.boolean(),
  status: z.number().int().optional().describe('of the response'),
  reason: z.string().optional().describe(reasons),
  message: z.string().optional(),
  durationMs: count,
});

export const deliverySchema: z.ZodType = z
  .object({
    id: count,
    event: z.object({
      id: z.string(),
      type: z.string(),
      at: responseTime,
      account: z.string().nullable(),
      sequence: count,
      media: z.string().optional().describe('the id of the media item'),
    }),
    state: z.enum(DELIVERY_STATES),
    attempts: count.describe('that ended, since it was made or sent again'),
    dueAt: responseTime.optional().describe('the next attempt'),
    isRunning: z.boolean(),
    attemptedAt: responseTime.optional().describe('the last attempt'),
    durationMs: count.optional(),
    status: z.number().int().optional().describe('of the last response'),
    reason: z.string().optional().describe(`why the last attempt failed: ${reasons}`),
    message: z.string().optional(),
    createdAt: responseTime,
    endedAt: responseTime.optional(),
  })
  .meta({ id: 'WebhookDelivery' });

export const deliveriesSchema: z.ZodType = z.object({
  items: z.array(deliverySchema),
  nextCursor: z.string().nullable().describe('null on the last page'),
});

export const deliveriesQuery = z.strictObject({
  state: z.enum(DELIVERY_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: text(32).optional(),
});

export const replayedSchema: z.ZodType = z.object({ made: count.describe('deliveries that were made') });

export const endpointExample = {
  id: 'whe_0123456789abcdef01234567',
  url: 'https://example.com/hooks/wechat',
  description: 'the case files',
  types: ['media.archived', 'media.expired'],
  accounts: null,
  isConfigured: false,
  state: 'active',
  disabled: null,
  lastSuccessAt: '2026-11-20T08:00:06.000Z',
  pending: 0,
  hasMissed: false,
  behind: 0,
  missed: 0,
  createdAt: '2026-11-20T07:00:00.000Z',
  createdBy: 'ops',
  updatedAt: '2026-11-20T07:00:00.000Z',
};
export const withSecretExample = {
  ...endpointExample,
  secret: 'whsec_c2VjcmV0LW9mLTMyLWJ5dGVzLWluLWJhc2U2NC4uLg==',
};
export const deliveryExample = {
  id: 4711,
  event: {
    id: 'evt_5f0c8a1d2b3e4f60718293a4b5c6d7e8',
    type: 'media.archived',
    at: '2026-11-20T08:00:05.120Z',
    account: 'wx0123456789abcdef',
    sequence: 4711,
    media: 'm_0123456789abcdef0123456789abcdef',
  },
  state: 'pending',
  attempts: 1,
  dueAt: '2026-11-20T08:00:12.000Z',
  isRunning: false,
  attemptedAt: '2026-11-20T08:00:06.000Z',
  durationMs: 84,
  status: 500,
  reason: 'status',
  message: DELIVERY_FAILURES.status.en,
  createdAt: '2026-11-20T08:00:05.300Z',
};
