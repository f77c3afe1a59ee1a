/** /v1/verifications: asking the sweeper to compare catalogue and bucket, and what came of it. */
import { z } from 'zod';
import { VERIFICATION_KINDS, type Verification } from '../../../catalogue/verification/verifications.ts';
import { text } from '../../../media.ts';
import { driftOf } from '../../../pipeline/verify/verifier.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { requestTime, trimmedText } from '../field-schemas.ts';
import { FINDINGS, VERIFICATION, VERIFICATIONS } from './verification-schemas.ts';

const tags = ['verifications'];
const PARAMS = z.object({ id: z.string().regex(/^v_[0-9a-f]{24}$/, 'is not an id of a verification') });
const SHOWN = 50;

const ASKED = z
  .strictObject({
    kind: z
      .enum(VERIFICATION_KINDS)
      .default('verify')
      .describe(
        'verify: rows against their objects; adopt: objects get their rows; orphans: both ways, reported',
      ),
    all: z
      .literal(true)
      .optional()
      .describe('verify: every archived media; orphans: reads the bytes of every row, not its headers alone'),
    sample: z.int().min(1).max(10_000_000).optional().describe('verify: so many, evenly spread'),
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
        'orphans: removes objects of erased media, and those whose row has its bytes under another key',
      ),
    dryRun: z.boolean().optional().describe('adopt: only says what it would do'),
    reason: trimmedText(300).optional(),
  })
  .superRefine((asked, context) => {
    const say = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });
    if (asked.kind === 'verify' && (asked.all === undefined) === (asked.sample === undefined))
      say('sample', 'give either a sample or all: true');
    if (asked.kind === 'adopt' && asked.all) say('all', 'is not for adopt, which lists the whole bucket');
    if (asked.kind === 'verify' && asked.dryRun) say('dryRun', 'is not for verify, which changes nothing');
    if (asked.kind !== 'verify' && asked.sample !== undefined) say('sample', 'is for the kind verify only');
    if (asked.kind === 'adopt' && asked.filter) say('filter', 'a listing of the bucket has none');
    if (asked.kind !== 'orphans' && asked.remove) say('remove', 'is for the kind orphans only');
    if (asked.remove && asked.dryRun) say('remove', 'is not for a dry run');
  });

function show({ cursor: _, options, ...verification }: Verification) {
  return { ...verification, ...options, drift: driftOf(verification.counts) };
}

export function verificationRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log'>) {
  const { catalogue, clock, log } = deps;
  const { verifications } = catalogue;

  const found = (verification: Verification | undefined) => {
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
          summary: 'Compare catalogue and bucket',
          body: ASKED,
          response: { 202: VERIFICATION },
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
                        // Media of an account that is configured no more are looked up by its identity.
                        accounts: accounts.map((word) => deps.accounts.find(word)?.account ?? word),
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
        log.info({ id, kind, by }, 'a comparison of catalogue and bucket was asked for');
        reply.code(202).header('location', `/v1/verifications/${id}`);
        return found(await verifications.get(id));
      },
    );

    app.get(
      '/v1/verifications',
      {
        config: { scope: 'read' },
        schema: { tags, summary: 'The latest comparisons', response: { 200: VERIFICATIONS } },
      },
      async () => ({ items: (await verifications.list(SHOWN)).map(show) }),
    );

    app.get(
      '/v1/verifications/:id',
      {
        config: { scope: 'read' },
        schema: { tags, summary: 'How far one is', params: PARAMS, response: { 200: VERIFICATION } },
      },
      async (request) => found(await verifications.get(request.params.id)),
    );

    app.get(
      '/v1/verifications/:id/findings',
      {
        config: { scope: 'read' },
        schema: {
          tags,
          summary: 'What it found, in pages: after is the seq of the last one seen',
          params: PARAMS,
          querystring: z.strictObject({
            after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
            limit: z.coerce.number().int().min(1).max(1000).default(200),
          }),
          response: { 200: FINDINGS },
        },
      },
      async (request) => {
        const { after, limit } = request.query;
        found(await verifications.get(request.params.id));
        return { items: await verifications.findings(request.params.id, after, limit) };
      },
    );

    app.delete(
      '/v1/verifications/:id',
      {
        config: { scope: 'admin' },
        schema: { tags, summary: 'Stop one where it is', params: PARAMS, response: { 200: VERIFICATION } },
      },
      async (request) => found(await verifications.stop(request.params.id, clock.now())),
    );
  };
}
