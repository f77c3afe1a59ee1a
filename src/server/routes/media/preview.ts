/** /v1/media/{id}/preview: pictures as thumbnails, and voices as WAV, which every browser plays. */

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { MediaRow } from '../../../catalogue/media/row.ts';
import { mediaJson } from '../../../pipeline/views/media.ts';
import { previewFormatOf } from '../../../preview/preview-format.ts';
import { type Preview, type PreviewItem, previewVersionOf } from '../../../preview/previews.ts';
import {
  PREVIEW_REASONS,
  type PreviewReason,
  PreviewRefusedError,
  PreviewUnavailableError,
} from '../../../preview/reasons.ts';
import { type Language, languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { isTagIn, rangeOf } from './conditions.ts';
import { findMedia, mediaIdParams } from './find-media.ts';
import { mediaSchema, pendingExample } from './media-schema.ts';

const PENDING_RETRY_SECONDS = 5;
const BUSY_RETRY_SECONDS = 2;

const PREVIEW_TYPES = ['audio/wav', 'image/webp'];

const responses: Record<200 | 202 | 206 | 304, z.ZodType> = {
  200: z.unknown().describe('audio/wav (16 bit, one channel) or image/webp (at most 320 pixels a side)'),
  202: mediaSchema,
  206: z.unknown().describe('a range of it'),
  304: z.null().describe('If-None-Match names the current preview'),
};

function problemOfReason(code: PreviewReason, language: Language): Problem {
  const { kind, message } = PREVIEW_REASONS[code];
  return new Problem(kind === 'unsupported' ? 'preview_unsupported' : 'preview_refused', {
    more: { reason: { code, message: message[language] } },
  });
}

function problemOf(error: unknown, language: Language): unknown {
  if (error instanceof PreviewRefusedError) return problemOfReason(error.reason, language);
  if (error instanceof PreviewUnavailableError)
    return new Problem(error.why === 'busy' ? 'preview_busy' : 'preview_failed', {
      retryAfterSeconds: BUSY_RETRY_SECONDS,
    });
  return error;
}

/** Returns the item whose preview is to be made. Throws Problem if the row says that there can be none. */
function previewItemOf(row: MediaRow, language: Language): PreviewItem {
  const { id, objectKey, sizeBytes, sha256 } = row;
  if (row.status !== 'archived' || !objectKey || sizeBytes === undefined || !sha256) {
    const { status, failure } = mediaJson(row, language);
    throw new Problem('media_gone', { more: { mediaStatus: status, ...(failure ? { failure } : {}) } });
  }
  const format = previewFormatOf(row);
  if (typeof format !== 'string') throw problemOfReason(format.reason, language);
  return { id, format, objectKey, sizeBytes, sha256 };
}

/** Sets the headers that a response with the preview and one without changes have in common. */
function setCacheHeaders(reply: FastifyReply, tag: string): void {
  // Asked again each time, because an erased item must not be shown from the browser's cache.
  reply.header('etag', tag).header('cache-control', 'private, no-cache').header('accept-ranges', 'bytes');
}

export function previewRoutes(deps: Pick<RouteDeps, 'catalogue' | 'previews'>) {
  const { catalogue, previews } = deps;
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/media/:id/preview',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['media'],
          operationId: 'getMediaPreview',
          summary: 'Get what a browser can show of a media item',
          description:
            'Voices (AMR, AMR-WB, SILK) as WAV, pictures as a thumbnail. 415 and 422 say in `reason` why there is none.',
          params: mediaIdParams,
          querystring: z.strictObject({}),
          response: responses,
          contentTypes: { 200: PREVIEW_TYPES, 206: PREVIEW_TYPES },
          examples: { response: { 202: pendingExample } },
          problems: [
            'media_not_found',
            'media_gone',
            'object_missing',
            'preview_unsupported',
            'preview_refused',
            'preview_busy',
            'preview_failed',
            'range_not_satisfiable',
            'store_refused',
            'store_unavailable',
          ],
        },
      },
      async (request, reply) => {
        const language = languageOf(request);
        const row = await findMedia(catalogue, request.params.id, request.principal);
        if (row.status === 'pending') {
          return reply
            .code(202)
            .header('retry-after', String(PENDING_RETRY_SECONDS))
            .send(mediaJson(row, language));
        }
        const item = previewItemOf(row, language);
        const tag = `"${previewVersionOf(item.sha256)}"`;
        if (isTagIn(request.headers['if-none-match'], tag)) {
          setCacheHeaders(reply, tag);
          return reply.code(304).send();
        }
        const controller = new AbortController();
        reply.raw.on('close', () => controller.abort());
        const preview = await previews.get(item, controller.signal).catch((error: unknown) => {
          // The client has gone, so this is not read; any other error would be logged as ours.
          throw controller.signal.aborted ? new Problem('preview_busy') : problemOf(error, language);
        });
        if (!preview) throw new Problem('object_missing');
        return await send(preview).catch(async (error: unknown) => {
          await preview.close();
          throw error;
        });

        async function send(preview: Preview): Promise<FastifyReply> {
          if (preview.isFresh) await requireStillArchived();
          const { sizeBytes } = preview;
          const range = rangeOf(request.headers, { tag, sizeBytes });
          if (range === 'unsatisfiable') {
            reply.header('content-range', `bytes */${sizeBytes}`);
            throw new Problem('range_not_satisfiable', { more: { previewBytes: sizeBytes } });
          }
          const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
          if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${sizeBytes}`);
          setCacheHeaders(reply, tag);
          reply
            .header('content-type', preview.contentType)
            .header('content-length', String(end - start + 1))
            .header('content-disposition', 'inline')
            .header('x-content-type-options', 'nosniff')
            // As for the file itself: it may be displayed but never executed.
            .header(
              'content-security-policy',
              "default-src 'none'; media-src 'self'; img-src 'self'; sandbox",
            );
          if (request.method !== 'HEAD') return reply.send(preview.read(start, end));
          await preview.close();
          return reply.send(Readable.from([]));
        }

        /** A conversion takes up to seconds, in which the item may have been erased. */
        async function requireStillArchived(): Promise<void> {
          const now = await findMedia(catalogue, item.id, request.principal);
          if (now.status === 'archived') return;
          previews.removeErased();
          previewItemOf(now, language);
          throw new Problem('media_gone', { more: { mediaStatus: now.status } });
        }
      },
    );
  };
}
