/** /v1/media: references in, rows out. */
import { z } from 'zod';
import type { Accepted } from '../../catalogue/accepting.ts';
import type { MediaFilter } from '../../catalogue/reading.ts';
import { ID_PATTERN, KINDS, type ReferenceInput, referenceSchema, STATUSES } from '../../media.ts';
import { UnknownAccountError } from '../../pipeline/accept.ts';
import { type Principal, visibleAccounts } from '../access.ts';
import type { App, ServerDeps } from '../app.ts';
import { type MediaJson, mediaJson } from '../media-json.ts';
import { type FieldError, languageOf, Problem, problemBody } from '../problem.ts';

const BATCH_LIMIT = 500;
const REPEATS_LIMIT = 200;

const text = z.string().min(1).max(512);
/** A parameter that may be repeated: `?id=a&id=b`. */
const many = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item).min(1).max(REPEATS_LIMIT).optional(),
  );
const time = z.iso.datetime({ offset: true }).optional();

const listQuery = z
  .object({
    account: many(text),
    id: many(text),
    mediaId: many(text),
    msgId: many(text),
    openId: text.optional(),
    kind: many(z.enum(KINDS)),
    status: many(z.enum(STATUSES)),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    errcode: many(z.coerce.number().int()),
    sentFrom: time,
    sentTo: time,
    expiresBefore: time,
    sort: z.enum(['sentAt', 'updatedAt']).default('sentAt'),
    limit: z.coerce.number().int().min(1).max(200).default(50),
    cursor: text.optional(),
    include: z.enum(['link']).optional(),
  })
  .catchall(z.string().max(256))
  .superRefine((query, context) => {
    for (const name of Object.keys(query)) {
      if (name in LIST_FIELDS || /^label\..{1,64}$/.test(name)) continue;
      context.addIssue({ code: 'custom', path: [name], message: 'is not a parameter of this route' });
    }
  });
const LIST_FIELDS: Readonly<Record<string, true>> = Object.fromEntries(
  'account id mediaId msgId openId kind status sha256 errcode sentFrom sentTo expiresBefore sort limit cursor include'
    .split(' ')
    .map((name) => [name, true]),
);
type ListQuery = z.infer<typeof listQuery>;

const idParams = z.object({ id: z.string().regex(ID_PATTERN, 'is not an id of a media') });
const includes = z
  .string()
  .optional()
  .transform((value) => value?.split(',') ?? [])
  .pipe(z.array(z.enum(['attempts', 'link'])));

function filterOf(query: ListQuery, accounts: readonly string[] | undefined): MediaFilter {
  const { sentFrom, sentTo, expiresBefore, openId, sha256 } = query;
  const labels = Object.entries(query)
    .filter(([name]) => name.startsWith('label.'))
    .map(([name, value]) => [name.slice('label.'.length), value as string]);
  return {
    ...(accounts ? { accounts } : {}),
    ...(query.id ? { ids: query.id } : {}),
    ...(query.mediaId ? { mediaIds: query.mediaId } : {}),
    ...(query.msgId ? { msgIds: query.msgId } : {}),
    ...(query.kind ? { kinds: query.kind } : {}),
    ...(query.status ? { statuses: query.status } : {}),
    ...(query.errcode ? { errcodes: query.errcode } : {}),
    ...(openId === undefined ? {} : { openId }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(sentFrom ? { sentFrom: new Date(sentFrom) } : {}),
    ...(sentTo ? { sentTo: new Date(sentTo) } : {}),
    ...(expiresBefore ? { expiresBefore: new Date(expiresBefore) } : {}),
    ...(labels.length > 0 ? { labels: Object.fromEntries(labels) } : {}),
  };
}

export function mediaRoutes(
  deps: Pick<ServerDeps, 'accept' | 'access' | 'accounts' | 'catalogue' | 'clock' | 'config' | 'store'>,
) {
  const { access, accounts, catalogue, clock, config, store } = deps;
  /** Names are accepted wherever an account is asked for; what nobody configured is looked up as it stands. */
  const identity = (word: string) => accounts.find(word)?.account ?? word;

  function checkAccount(principal: Principal, input: ReferenceInput): void {
    visibleAccounts(principal, [identity(input.account)]);
  }

  async function withLink(media: MediaJson): Promise<MediaJson> {
    if (media.status !== 'archived' || !media.objectKey) return media;
    const link = await store.link(media.objectKey, { now: clock.now(), ttlMs: config.objects.linkTtlMs });
    return { ...media, link };
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/media',
      { schema: { tags: ['media'], summary: 'Archive one media', body: referenceSchema } },
      async (request, reply) => {
        checkAccount(access.authorize(request, 'write'), request.body);
        const [accepted] = (await deps.accept([request.body])) as [Accepted];
        const row = await catalogue.get(accepted.id);
        if (!row) throw new Problem('media_not_found');
        return reply
          .code(accepted.created ? 202 : 200)
          .header('location', `/v1/media/${row.id}`)
          .send(mediaJson(row, languageOf(request)));
      },
    );

    app.post(
      '/v1/media/batch',
      {
        schema: {
          tags: ['media'],
          summary: `Archive up to ${BATCH_LIMIT} media; each is accepted or refused on its own`,
          body: z.strictObject({ items: z.array(z.unknown()).min(1).max(BATCH_LIMIT) }),
        },
      },
      async (request, reply) => {
        const principal = access.authorize(request, 'write');
        const language = languageOf(request);
        const results: Record<string, unknown>[] = [];
        const good: { index: number; input: ReferenceInput }[] = [];
        for (const [index, item] of request.body.items.entries()) {
          try {
            const input = parseReference(item);
            if (!accounts.find(input.account)) {
              throw new UnknownAccountError(`the account ${input.account} is not configured`);
            }
            checkAccount(principal, input);
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
        const accepted = await deps.accept(good.map(({ input }) => input));
        for (const [place, { index }] of good.entries()) {
          const { id, status } = accepted[place] as Accepted;
          results[index] = { index, id, status };
        }
        return reply.code(202).send({ results });
      },
    );

    app.get(
      '/v1/media',
      { schema: { tags: ['media'], summary: 'List media, newest first', querystring: listQuery } },
      async (request) => {
        const principal = access.authorize(request, 'read');
        const { query } = request;
        const filter = filterOf(query, visibleAccounts(principal, query.account?.map(identity)));
        const language = languageOf(request);
        const page = await catalogue
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
        schema: {
          tags: ['media'],
          summary: 'One media; include=attempts,link for more of it',
          params: idParams,
          querystring: z.strictObject({ include: includes }),
        },
      },
      async (request) => {
        const principal = access.authorize(request, 'read');
        const row = await catalogue.get(request.params.id);
        if (!row || (principal.accounts && !principal.accounts.includes(row.account))) {
          throw new Problem('media_not_found');
        }
        const { include } = request.query;
        const media = mediaJson(row, languageOf(request));
        return {
          ...(include.includes('link') ? await withLink(media) : media),
          ...(include.includes('attempts') ? { attemptLog: await catalogue.attempts(row.id) } : {}),
        };
      },
    );
  };
}

function parseReference(item: unknown): ReferenceInput {
  const parsed = referenceSchema.safeParse(item);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(
    (issue): FieldError => ({ field: issue.path.join('.') || '(item)', message: issue.message }),
  );
  throw new Problem('invalid_request', { errors });
}
