/** /v1/media: references in, rows out. */
import { z } from 'zod';
import { DatabaseAwayError } from '../../../catalogue/database/database.ts';
import { type ReferenceInput, referenceSchema } from '../../../media.ts';
import type { Ingested } from '../../../pipeline/ingest/ingest.ts';
import { UnknownAccountError } from '../../../pipeline/ingest/insert-batcher.ts';
import { resolveAccount } from '../../auth/access.ts';
import { type FieldError, languageOf, Problem, problemBody } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { type MediaJson, mediaJson } from '../../views/media.ts';
import { retryBody } from '../dead-letters/redrive-body.ts';
import { ACCEPTED_MEDIA, BATCH_RESULTS, MEDIA_PAGE, mediaSchema } from '../schemas.ts';
import { findMedia, mediaIdParams } from './find-media.ts';
import { filterOf, listQuery } from './list-query.ts';

const BATCH_LIMIT = 500;
const tags = ['media'];

const includes = z
  .string()
  .optional()
  .transform((value) => value?.split(',') ?? [])
  .pipe(z.array(z.enum(['attempts', 'link'])));

export function mediaRoutes(
  deps: Pick<
    RouteDeps,
    'accounts' | 'catalogue' | 'clock' | 'config' | 'due' | 'intake' | 'metrics' | 'store'
  >,
) {
  const { accounts, catalogue, clock, config, store } = deps;
  /** It is durable already: a catalogue that goes away in between is no reason to have it sent again. */
  async function readBack(id: string) {
    try {
      const row = await catalogue.media.get(id);
      if (!row) throw new Problem('media_not_found');
      return row;
    } catch (error) {
      if (error instanceof DatabaseAwayError) return undefined;
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
          summary: 'Archive one media: 202 when it is new, 200 and the row as it is when it is known',
          body: referenceSchema,
          response: { 200: mediaSchema, 202: ACCEPTED_MEDIA },
        },
      },
      async (request, reply) => {
        resolveAccount(request.principal, accounts, request.body.account);
        const [taken] = (await deps.intake.ingestRequest([request.body])) as [Ingested];
        reply.header('location', `/v1/media/${taken.id}`);
        const row = taken.spooled ? undefined : await readBack(taken.id);
        if (!row) return reply.code(202).send({ ...request.body, ...bare(taken) });
        return reply.code(taken.created ? 202 : 200).send(mediaJson(row, languageOf(request)));
      },
    );

    app.post(
      '/v1/media/batch',
      {
        config: { scope: 'write', accountScoped: true },
        schema: {
          tags,
          summary: `Archive up to ${BATCH_LIMIT} media; each is accepted or refused on its own`,
          body: z.strictObject({ items: z.array(z.unknown()).min(1).max(BATCH_LIMIT) }),
          response: { 202: BATCH_RESULTS },
        },
      },
      async (request, reply) => {
        const { principal } = request;
        const language = languageOf(request);
        const results: Record<string, unknown>[] = [];
        const good: { index: number; input: ReferenceInput }[] = [];
        for (const [index, item] of request.body.items.entries()) {
          try {
            const input = parseReference(item);
            const account = resolveAccount(principal, accounts, input.account);
            if (!accounts.find(account)) {
              throw new UnknownAccountError(`the account ${input.account} is not configured`);
            }
            good.push({ index, input });
          } catch (error) {
            const problem =
              error instanceof UnknownAccountError
                ? new Problem('unknown_account', { detail: error.message })
                : error;
            if (!(problem instanceof Problem)) throw error;
            results[index] = { index, problem: problemBody(problem, language) };
          }
        }
        const taken = await deps.intake.ingestRequest(good.map(({ input }) => input));
        for (const [place, { index }] of good.entries()) {
          const { account: _, ...one } = bare(taken[place] as Ingested);
          results[index] = { index, ...one };
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
          summary: 'List media, newest first; label.{key}={value} filters by label',
          querystring: listQuery,
          response: { 200: MEDIA_PAGE },
        },
      },
      async (request) => {
        const { query, principal } = request;
        const asked = query.account?.map((word) => resolveAccount(principal, accounts, word));
        const filter = filterOf(query, asked ?? principal.accounts);
        const language = languageOf(request);
        const page = await catalogue.media
          .list(filter, {
            sort: query.sort,
            limit: query.limit,
            ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
          })
          .catch((error) => {
            throw error instanceof RangeError ? new Problem('invalid_cursor') : error;
          });
        const items = page.items.map((row) => mediaJson(row, language));
        return {
          items: query.include ? await Promise.all(items.map(withLink)) : items,
          nextCursor: page.nextCursor ?? null,
        };
      },
    );

    app.get(
      '/v1/media/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          summary: 'One media; include=attempts,link for more of it',
          params: mediaIdParams,
          querystring: z.strictObject({ include: includes }),
          response: { 200: mediaSchema },
        },
      },
      async (request) => {
        const row = await findMedia(catalogue, request.params.id, request.principal);
        const { include } = request.query;
        const media = mediaJson(row, languageOf(request));
        return {
          ...(include.includes('link') ? await withLink(media) : media),
          ...(include.includes('attempts') ? { attemptLog: await catalogue.media.attempts(row.id) } : {}),
        };
      },
    );

    app.post(
      '/v1/media/:id/retry',
      {
        config: { scope: 'write', accountScoped: true },
        schema: {
          tags,
          summary: 'A dead media is pending and due again; an expired one with force',
          params: mediaIdParams,
          body: retryBody,
          response: { 202: mediaSchema },
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

/** What is known of a media without its row. */
const bare = ({ id, account, status, spooled }: Ingested) => ({
  id,
  account,
  status,
  ...(spooled ? { spooled } : {}),
});

function parseReference(item: unknown): ReferenceInput {
  const parsed = referenceSchema.safeParse(item);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(
    (issue): FieldError => ({ field: issue.path.join('.') || '(item)', message: issue.message }),
  );
  throw new Problem('invalid_request', { errors });
}
