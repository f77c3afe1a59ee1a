/** /v1/media: accepts references, lists media items, returns one, redrives one. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { DatabaseUnavailableError } from '../../../catalogue/database/database.ts';
import { fieldErrorsOf, parseInput } from '../../../field-errors.ts';
import { type ReferenceInput, referenceSchema, STATUSES } from '../../../media.ts';
import type { Ingested } from '../../../pipeline/ingest/ingest.ts';
import { UnknownAccountError } from '../../../pipeline/ingest/insert-batcher.ts';
import { attemptsJson, type MediaJson, mediaJson } from '../../../pipeline/views/media.ts';
import { readTraceparent } from '../../../traceparent.ts';
import { resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem, problemBody } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { retryBody } from '../dead-letters/redrive-body.ts';
import { count } from '../field-schemas.ts';
import { problemSchema } from '../problem-schema.ts';
import { findMedia, mediaIdParams } from './find-media.ts';
import { filterOf, includeOf, listQuery } from './list-query.ts';
import {
  archivedExample,
  batchExample,
  batchResultsExample,
  mediaPageExample,
  mediaPageSchema,
  mediaSchema,
  pendingExample,
  referenceExample,
} from './media-schema.ts';

const BATCH_LIMIT = 500;
const tags = ['media'];

const spooled = z
  .literal(true)
  .optional()
  .describe(
    'the catalogue is unavailable: the reference is on local disk, and is written when the catalogue is available again; an existing row does not change',
  );

/** The row of the item. While it cannot be read: the reference that the client sent, with its id. */
export const acceptedMediaSchema: z.ZodType = z.union([
  mediaSchema,
  referenceSchema.extend({
    sentAt: z.iso.datetime().optional(),
    id: z.string(),
    status: z.enum(STATUSES),
    spooled,
  }),
]);

/** Each item is checked on its own, so that one that is not valid does not refuse the others. */
const batchBody = z.strictObject({
  items: z.array(z.unknown()).min(1).max(BATCH_LIMIT).describe('each as the body of POST /v1/media'),
});
const batchResultsSchema: z.ZodType = z.object({
  results: z.array(
    z.union([
      z.object({ index: count, id: z.string(), status: z.enum(STATUSES), spooled }),
      z.object({ index: count, problem: problemSchema }),
    ]),
  ),
});

export function mediaRoutes(
  deps: Pick<
    RouteDeps,
    'accounts' | 'catalogue' | 'clock' | 'config' | 'due' | 'ingest' | 'metrics' | 'store'
  >,
) {
  const { accounts, catalogue, clock, config, store } = deps;
  /**
   * Resolves with the row of an item that was just accepted. Undefined: the database is unavailable, but the item is
   * already durable.
   */
  async function readAccepted(id: string) {
    try {
      const row = await catalogue.media.get(id);
      if (!row) throw new Problem('media_not_found');
      return row;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) return undefined;
      throw error;
    }
  }

  async function withLink(media: MediaJson): Promise<MediaJson> {
    if (media.status !== 'archived' || !media.objectKey) return media;
    const link = await store.link(media.objectKey, { now: clock.now(), ttlMs: config.objects.linkTtlMs });
    return { ...media, link };
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/media',
      {
        config: { scope: 'write', accountScoped: true },
        schema: {
          tags,
          operationId: 'addMedia',
          summary: 'Archive one media item',
          description: 'Returns 202 when the item is new, and 200 with its row as it is when it is known.',
          body: referenceSchema,
          response: { 200: mediaSchema, 202: acceptedMediaSchema },
          examples: { body: referenceExample, response: { 200: archivedExample, 202: pendingExample } },
          problems: ['unknown_account'],
        },
      },
      async (request, reply) => {
        resolveAccount(request.principal, accounts, request.body.account);
        const [ingested] = (await deps.ingest.ingestRequest([withTrace(request, request.body)])) as [
          Ingested,
        ];
        reply.header('location', `/v1/media/${ingested.id}`);
        const row = ingested.spooled ? undefined : await readAccepted(ingested.id);
        if (!row) return reply.code(202).send({ ...request.body, ...summaryOf(ingested) });
        return reply.code(ingested.created ? 202 : 200).send(mediaJson(row, languageOf(request)));
      },
    );

    app.post(
      '/v1/media/batch',
      {
        config: { scope: 'write', accountScoped: true },
        schema: {
          tags,
          operationId: 'addMediaBatch',
          summary: `Archive up to ${BATCH_LIMIT} media items`,
          description:
            'Each item is accepted or refused separately; `results` has one entry for each, in order.',
          body: batchBody,
          response: { 202: batchResultsSchema },
          examples: { body: batchExample, response: { 202: batchResultsExample } },
        },
      },
      async (request, reply) => {
        const { principal } = request;
        const language = languageOf(request);
        const results: Record<string, unknown>[] = [];
        const valid: { index: number; input: ReferenceInput }[] = [];
        for (const [index, item] of request.body.items.entries()) {
          try {
            const input = parseReference(item);
            const account = resolveAccount(principal, accounts, input.account);
            if (!accounts.find(account)) {
              throw new UnknownAccountError(`the account ${input.account} is not configured`);
            }
            valid.push({ index, input });
          } catch (error) {
            const problem =
              error instanceof UnknownAccountError
                ? new Problem('unknown_account', { detail: error.message })
                : error;
            if (!(problem instanceof Problem)) throw error;
            results[index] = { index, problem: problemBody(problem, language) };
          }
        }
        const ingested = await deps.ingest.ingestRequest(valid.map(({ input }) => withTrace(request, input)));
        for (const [position, { index }] of valid.entries()) {
          const { account: _, ...summary } = summaryOf(ingested[position] as Ingested);
          results[index] = { index, ...summary };
        }
        return reply.code(202).send({ results });
      },
    );

    app.get(
      '/v1/media',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'listMedia',
          summary: 'List media items, newest first',
          description:
            'All filters must match. `label.{key}={value}` filters by label; `q` searches ids, texts and file names.',
          querystring: listQuery,
          response: { 200: mediaPageSchema },
          examples: {
            querystring: { status: ['archived'], sentFrom: '24h', limit: 50, include: 'link' },
            response: { 200: mediaPageExample },
          },
          problems: ['invalid_cursor'],
        },
      },
      async (request) => {
        const { query, principal } = request;
        const named = query.account?.map((name) => resolveAccount(principal, accounts, name));
        const filter = filterOf(query, named ?? principal.accounts);
        const language = languageOf(request);
        const page = await catalogue.media
          .list(filter, {
            sort: query.sort,
            limit: query.limit,
            ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
            withCount: query.include.includes('count'),
          })
          .catch((error) => {
            throw error instanceof RangeError ? new Problem('invalid_cursor') : error;
          });
        const items = page.items.map((row) => mediaJson(row, language));
        return {
          items: query.include.includes('link') ? await Promise.all(items.map(withLink)) : items,
          nextCursor: page.nextCursor ?? null,
          previousCursor: page.previousCursor ?? null,
          ...(page.count ? { count: page.count.value, countIsExact: page.count.isExact } : {}),
        };
      },
    );

    app.get(
      '/v1/media/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'getMedia',
          summary: 'Get one media item',
          params: mediaIdParams,
          querystring: z.strictObject({ include: includeOf('attemptLog', 'link') }),
          response: { 200: mediaSchema },
          examples: { querystring: { include: 'attemptLog,link' }, response: { 200: archivedExample } },
          problems: ['media_not_found'],
        },
      },
      async (request) => {
        const row = await findMedia(catalogue, request.params.id, request.principal);
        const { include } = request.query;
        const media = mediaJson(row, languageOf(request));
        return {
          ...(include.includes('link') ? await withLink(media) : media),
          ...(include.includes('attemptLog')
            ? { attemptLog: attemptsJson(await catalogue.media.attempts(row.id), languageOf(request)) }
            : {}),
        };
      },
    );

    app.post(
      '/v1/media/:id/retry',
      {
        config: { scope: 'write', accountScoped: true },
        schema: {
          tags,
          operationId: 'retryMedia',
          summary: 'Redrive one media item',
          description: 'A dead media item, or with `force` an expired one, becomes pending and due.',
          params: mediaIdParams,
          body: retryBody,
          response: { 202: mediaSchema },
          examples: {
            body: { reason: 'the account has its permission again' },
            response: { 202: { ...pendingExample, redrives: 1 } },
          },
          problems: ['media_not_found', 'conflict'],
        },
      },
      async (request, reply) => {
        const { id } = await findMedia(catalogue, request.params.id, request.principal);
        const by = { actor: request.principal.name, ...request.body };
        if (!(await catalogue.redrives.redriveOne(id, clock.now(), by))) throw new Problem('conflict');
        deps.metrics.redriven.inc();
        deps.due.notify();
        const row = await findMedia(catalogue, id, request.principal);
        return reply.code(202).send(mediaJson(row, languageOf(request)));
      },
    );
  };
}

/** The trace of an item is that of the request, unless its reference names another. */
function withTrace({ headers }: FastifyRequest, input: ReferenceInput): ReferenceInput {
  const traceparent = input.traceparent ?? readTraceparent(headers.traceparent);
  return traceparent === undefined ? input : { ...input, traceparent };
}

/** The fields of an accepted item that are known without its row. */
const summaryOf = ({ id, account, status, spooled }: Ingested) => ({
  id,
  account,
  status,
  ...(spooled ? { spooled } : {}),
});

function parseReference(item: unknown): ReferenceInput {
  const parsed = parseInput(referenceSchema, item);
  if (parsed.success) return parsed.data;
  const errors = fieldErrorsOf(parsed.error.issues, {
    place: 'body',
    schema: referenceSchema,
    input: item,
    example: referenceExample,
    whole: '(item)',
  });
  throw new Problem('invalid_request', { errors });
}
