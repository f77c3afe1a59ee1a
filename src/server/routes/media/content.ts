/** /v1/media/{id}/content: returns the file, by a signed link or through this server. */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { isRenderable } from '../../../media-type.ts';
import { mediaJson } from '../../../pipeline/views/media.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { requireArchived } from './archived.ts';
import { findMedia, mediaIdParams } from './find-media.ts';
import { mediaSchema, pendingExample } from './media-schema.ts';
import { createOpenRecorder } from './open-recorder.ts';

const RETRY_AFTER_SECONDS = 5;
/** Headers of the store's response that are forwarded to the client. */
const FORWARDED_HEADERS = [
  'content-type',
  'content-length',
  'content-range',
  'content-disposition',
  'accept-ranges',
  'etag',
  'last-modified',
] as const;

const FILE_TYPES = ['image/jpeg', 'audio/amr', 'video/mp4', 'application/octet-stream'];

const contentResponses: Record<200 | 202 | 206 | 302, z.ZodType> = {
  200: z.unknown().describe('the file (proxy=true)'),
  202: mediaSchema,
  206: z.unknown().describe('a range of the file (proxy=true)'),
  302: z.null().describe('a signed link, which is the same for all requests within one time window'),
};

/**
 * Returns the requested range if it is a single one; otherwise undefined: a server may always return the whole file.
 * If-Range is not supported, because it needs the validators of the store.
 */
function rangeOf(headers: IncomingHttpHeaders): string | undefined {
  if (headers['if-range'] !== undefined) return undefined;
  return /^bytes=(\d{1,15}-\d{0,15}|-\d{1,15})$/.exec(headers.range ?? '')?.[0];
}

export function contentRoutes(
  deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'config' | 'log' | 'metrics' | 'store'>,
) {
  const { catalogue, clock, config, store } = deps;
  return async (app: App): Promise<void> => {
    const opens = createOpenRecorder(deps);
    app.addHook('onClose', () => opens.close());

    app.get(
      '/v1/media/:id/content',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['media'],
          operationId: 'getMediaContent',
          summary: 'Get the file of a media item',
          description:
            'Redirects to a signed link, or streams the file with `proxy=true`. Returns 202 while the item is pending, and 410 if there will be no file.',
          params: mediaIdParams,
          querystring: z.strictObject({
            proxy: z
              .enum(['true', 'false'])
              .default('false')
              .describe('true: the file comes through this server, also in ranges (header Range)'),
          }),
          response: contentResponses,
          contentTypes: { 200: FILE_TYPES, 206: FILE_TYPES },
          examples: { querystring: { proxy: 'true' }, response: { 202: pendingExample } },
          problems: [
            'media_not_found',
            'media_gone',
            'object_missing',
            'range_not_satisfiable',
            'store_refused',
            'store_unavailable',
          ],
        },
      },
      async (request, reply) => {
        const found = await findMedia(catalogue, request.params.id, request.principal);
        const media = mediaJson(found, languageOf(request));
        if (found.status === 'pending') {
          return reply.code(202).header('retry-after', String(RETRY_AFTER_SECONDS)).send(media);
        }
        const row = requireArchived(found, media);
        if (request.query.proxy === 'false') {
          const link = await store.link(row.objectKey, { now: clock.now(), ttlMs: config.objects.linkTtlMs });
          // For HEAD too: its response contains the link.
          opens.record(request.principal.name, row);
          return reply.header('cache-control', 'private, no-cache').redirect(link.url, 302);
        }
        const controller = new AbortController();
        reply.raw.on('close', () => controller.abort());
        const range = rangeOf(request.headers);
        const object = await store.get(row.objectKey, {
          ...(range ? { range } : {}),
          signal: controller.signal,
        });
        if (!object) throw new Problem('object_missing');
        if (object.status === 416) {
          object.body.destroy();
          throw new Problem('range_not_satisfiable', { more: { sizeBytes: row.sizeBytes } });
        }
        if (request.method === 'GET') opens.record(request.principal.name, row);
        for (const name of FORWARDED_HEADERS) {
          const value = object.headers[name];
          if (value !== undefined) reply.header(name, value);
        }
        // Another program may have written the object and declared `inline` for any type.
        if (!isRenderable(object.headers['content-type'] ?? '')) {
          const contentDisposition = object.headers['content-disposition'] ?? 'attachment';
          reply.header('content-disposition', contentDisposition.replace(/^\s*[^\s;]*/, 'attachment'));
        }
        // A file that a user sent may be displayed but never executed: no scripts, no sniffing of types.
        reply.header(
          'content-security-policy',
          "default-src 'none'; media-src 'self'; img-src 'self'; sandbox",
        );
        reply.header('x-content-type-options', 'nosniff').header('cache-control', 'private, max-age=3600');
        return reply.code(object.status === 206 ? 206 : 200).send(object.body);
      },
    );
  };
}
