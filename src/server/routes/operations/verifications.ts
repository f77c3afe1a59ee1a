/**
 * /v1/verifications: requests comparisons of catalogue and bucket, and returns their findings. The sweeper runs them.
 */
import { z } from 'zod';
import { VERIFICATION_KINDS, type Verification } from '../../../catalogue/verification/verifications.ts';
import { formatted, refuse } from '../../../field-errors.ts';
import { text } from '../../../media.ts';
import { driftOf } from '../../../pipeline/verify/verifier.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, reason, requestTime, responseTime } from '../field-schemas.ts';

const tags = ['verifications'];
const LIST_LIMIT = 50;

const verificationParams = z.object({
  id: formatted(/^v_[0-9a-f]{24}$/, { en: 'is not the id of a verification', zh: '不是核对的 id' }),
});

const NOT_FOR_ADOPT = {
  en: 'is not for adopt, which lists the whole bucket',
  zh: '不适用于 adopt，它会列出整个存储桶',
};

const verificationBody = z
  .strictObject({
    kind: z
      .enum(VERIFICATION_KINDS)
      .default('verify')
      .describe(
        'verify: compares rows with their objects; adopt: creates missing rows from objects; orphans: compares in both directions and reports',
      ),
    all: z
      .literal(true)
      .optional()
      .describe(
        'verify: every archived media item; orphans: reads the bytes of each object, not only the headers',
      ),
    sample: z.int().min(1).max(10_000_000).optional().describe('verify: the number of items, evenly spread'),
    filter: z
      .strictObject({
        account: z.union([text(128), z.array(text(128)).min(1).max(200)]).optional(),
        sentFrom: requestTime.optional(),
        sentTo: requestTime.optional(),
      })
      .optional(),
    rate: z
      .strictObject({
        bytesPerSecond: z.int().min(1024).optional().describe('default 50 MiB'),
        objectsPerSecond: z.number().min(0.1).max(100_000).optional().describe('default 200'),
      })
      .optional(),
    remove: z
      .boolean()
      .optional()
      .describe(
        'orphans: deletes objects of erased media items, and objects whose row refers to the same bytes under another key',
      ),
    dryRun: z.boolean().optional().describe('adopt: only reports the rows that it would create'),
    reason: reason(300).optional(),
  })
  .superRefine((body, context) => {
    const addIssue = (field: string, en: string, zh: string) => refuse(context, { en, zh }, [field]);
    if (body.kind === 'verify' && (body.all === undefined) === (body.sample === undefined))
      addIssue('sample', 'specify either a sample or all: true', '请指定 sample 或 all: true 之一');
    if (body.kind === 'adopt' && body.all) addIssue('all', NOT_FOR_ADOPT.en, NOT_FOR_ADOPT.zh);
    if (body.kind === 'verify' && body.dryRun)
      addIssue('dryRun', 'is not for verify, which changes nothing', '不适用于 verify，它不做任何更改');
    if (body.kind !== 'verify' && body.sample !== undefined)
      addIssue('sample', 'is for the kind verify only', '仅适用于 verify');
    if (body.kind === 'adopt' && body.filter) addIssue('filter', NOT_FOR_ADOPT.en, NOT_FOR_ADOPT.zh);
    if (body.kind !== 'orphans' && body.remove)
      addIssue('remove', 'is for the kind orphans only', '仅适用于 orphans');
    if (body.remove && body.dryRun) addIssue('remove', 'is not for a dry run', '不适用于 dryRun');
  });

export const verificationSchema: z.ZodType = z
  .object({
    id: z.string(),
    kind: z.enum(VERIFICATION_KINDS),
    state: z.enum(['waiting', 'running', 'done', 'stopped']),
    by: z.string().describe('the name of the key that requested it'),
    reason: z.string().optional(),
    sample: count.optional(),
    filter: z
      .object({
        accounts: z.array(z.string()).optional(),
        sentFrom: z.string().optional(),
        sentTo: z.string().optional(),
      })
      .optional(),
    rate: z
      .object({ bytesPerSecond: z.number().optional(), objectsPerSecond: z.number().optional() })
      .optional(),
    remove: z.boolean().optional(),
    dryRun: z.boolean().optional(),
    done: count.describe('rows and objects compared'),
    total: count.optional().describe('absent if only a listing of the bucket could show it'),
    bytes: count.describe('read from the store'),
    counts: z.record(z.string(), count).describe('by kind of finding; docs/verification.md lists the kinds'),
    drift: count.describe('the number of contradictions between catalogue and bucket'),
    problem: z.string().optional().describe('why it makes no progress now'),
    createdAt: responseTime,
    startedAt: responseTime.optional(),
    updatedAt: responseTime,
    endedAt: responseTime.optional(),
  })
  .meta({ id: 'Verification' });

const verificationExample = {
  id: `v_${'9a3f5e2c'.repeat(3)}`,
  kind: 'verify',
  state: 'running',
  by: 'operator',
  reason: 'after a restore',
  sample: 1000,
  done: 400,
  total: 1000,
  bytes: 73_728_000,
  counts: { ok: 399, missing: 1 },
  drift: 1,
  createdAt: '2026-11-20T10:00:00.000Z',
  updatedAt: '2026-11-20T10:02:00.000Z',
};
const idExample = { id: verificationExample.id };
const findingExample = {
  seq: 1,
  at: '2026-11-20T10:01:12.000Z',
  what: 'missing',
  id: 'm_0f3a5b7c9d1e2f40516273849506a7b8',
  objectKey: 'wx0123456789abcdef/2026/11/20/m_0f3a5b7c9d1e2f40516273849506a7b8.jpg',
};

export const verificationsSchema: z.ZodType = z.object({ items: z.array(verificationSchema) });

const findingsSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      seq: count,
      at: responseTime,
      what: z.string(),
      id: z.string().optional(),
      objectKey: z.string().optional(),
      detail: z.string().optional(),
    }),
  ),
});

function show({ cursor: _, options, ...verification }: Verification) {
  return { ...verification, ...options, drift: driftOf(verification.counts) };
}

export function verificationRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log'>) {
  const { catalogue, clock, log } = deps;
  const { verifications } = catalogue;

  const showOrThrow = (verification: Verification | undefined) => {
    if (!verification) throw new Problem('not_found');
    return show(verification);
  };

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/verifications',
      {
        config: { scope: 'admin' },
        schema: {
          tags,
          operationId: 'createVerification',
          summary: 'Compare the catalogue with the bucket',
          body: verificationBody,
          response: { 202: verificationSchema },
          examples: {
            body: { kind: 'verify', sample: 1000, reason: 'after a restore' },
            response: { 202: { ...verificationExample, state: 'waiting', done: 0, bytes: 0, counts: {} } },
          },
        },
      },
      async (request, reply) => {
        const { kind, reason, filter, all, ...options } = request.body;
        const { account, ...times } = filter ?? {};
        const accounts = account === undefined ? undefined : [account].flat();
        const by = request.principal.name;
        const id = await verifications.create(
          {
            kind,
            options: {
              ...options,
              ...(kind === 'orphans' && all ? { all } : {}),
              ...(filter
                ? {
                    filter: {
                      ...times,
                      ...(accounts && {
                        // Items of an account that is no longer configured are found by its id.
                        accounts: accounts.map((name) => deps.accounts.find(name)?.account ?? name),
                      }),
                    },
                  }
                : {}),
            },
            by,
            reason,
          },
          clock.now(),
        );
        log.info({ id, kind, by }, 'verification: requested');
        reply.code(202).header('location', `/v1/verifications/${id}`);
        return showOrThrow(await verifications.get(id));
      },
    );

    app.get(
      '/v1/verifications',
      {
        config: { scope: 'read' },
        schema: {
          tags,
          operationId: 'listVerifications',
          summary: `List the latest ${LIST_LIMIT} verifications`,
          response: { 200: verificationsSchema },
          examples: { response: { 200: { items: [verificationExample] } } },
        },
      },
      async () => ({ items: (await verifications.list(LIST_LIMIT)).map(show) }),
    );

    app.get(
      '/v1/verifications/:id',
      {
        config: { scope: 'read' },
        schema: {
          tags,
          operationId: 'getVerification',
          summary: 'Get the progress of a verification',
          params: verificationParams,
          response: { 200: verificationSchema },
          examples: { params: idExample, response: { 200: verificationExample } },
          problems: ['not_found'],
        },
      },
      async (request) => showOrThrow(await verifications.get(request.params.id)),
    );

    app.get(
      '/v1/verifications/:id/findings',
      {
        config: { scope: 'read' },
        schema: {
          tags,
          operationId: 'listVerificationFindings',
          summary: 'List the findings of a verification',
          params: verificationParams,
          querystring: z.strictObject({
            after: z.coerce
              .number()
              .int()
              .min(0)
              .max(Number.MAX_SAFE_INTEGER)
              .default(0)
              .describe('the seq of the last finding seen'),
            limit: z.coerce.number().int().min(1).max(1000).default(200),
          }),
          response: { 200: findingsSchema },
          examples: {
            params: idExample,
            querystring: { after: 0, limit: 200 },
            response: { 200: { items: [findingExample] } },
          },
          problems: ['not_found'],
        },
      },
      async (request) => {
        const { after, limit } = request.query;
        showOrThrow(await verifications.get(request.params.id));
        return { items: await verifications.findings(request.params.id, after, limit) };
      },
    );

    app.delete(
      '/v1/verifications/:id',
      {
        config: { scope: 'admin' },
        schema: {
          tags,
          operationId: 'stopVerification',
          summary: 'Stop a verification',
          params: verificationParams,
          response: { 200: verificationSchema },
          examples: { params: idExample, response: { 200: { ...verificationExample, state: 'stopped' } } },
          problems: ['not_found'],
        },
      },
      async (request) =>
        showOrThrow(await verifications.stop(request.params.id, request.principal.name, clock.now())),
    );
  };
}
