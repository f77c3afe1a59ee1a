/** Links out of answers and messages: fetched behind the address guard, with no token, cookie or Referer. */
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError, failure } from '../../failures.ts';
import type { Kind, Source } from '../../media.ts';
import { httpFailure } from '../api/response.ts';
import { checkLink } from '../http/ssrf-guard.ts';
import { type GetJudged, type MediaBody, mediaBody } from './media-body.ts';

export interface Link {
  readonly url: string;
  readonly source: Extract<Source, 'video_url' | 'pic_url'>;
  readonly kind: Kind;
}

/** A fresh link, or the video itself: the same media id may be answered either way. */
export type AskAgain = () => Promise<MediaBody | { videoUrl: string }>;

/** "video_url gives 404, works a few seconds later": one more look after this. */
const SETTLE_MS = 3_000;
/** No connection over https, or none through this proxy. */
const NO_HTTPS = /^(network|tls_\w+|proxy_(refused|unfit|failed))$/;
/** The next try asks for a fresh link, and need not wait as long as after other trouble. */
const FRESH_LINK_MS = 5_000;

export function createLinks(
  get: GetJudged,
  options: { allowHosts: readonly string[]; linkSettleMs?: number | undefined },
) {
  const settleMs = options.linkSettleMs ?? SETTLE_MS;

  async function look(url: URL, link: Link, signal: AbortSignal): Promise<MediaBody> {
    const guarded = checkLink(url, options.allowHosts) === 'guarded';
    const { answer, verdict, body } = await get(
      url,
      { guarded, isLink: true, where: link.source, kind: link.kind },
      signal,
    );
    if (answer.status === 200 && verdict.is === 'media')
      return mediaBody(answer, verdict.type, body, link.source);
    answer.discard();
    const { status } = answer;
    if (link.source === 'video_url') {
      const why = status === 200 ? 'no media behind the link' : `HTTP ${status}`;
      throw failure('video_link_failed', why, { cause: status, retryAfterMs: FRESH_LINK_MS });
    }
    if (status === 200) throw failure('body_not_media', `${link.source}: no media behind the link`);
    throw httpFailure(status, link.source);
  }

  function parse(link: Link): URL {
    const url = URL.parse(link.url);
    if (!url) throw failure('malformed_answer', `${link.source}: not a URL`);
    return url;
  }

  return {
    /** The picture behind a PicUrl: over https where it can be had, though WeChat writes http. */
    openPicture: async (link: Link, signal: AbortSignal): Promise<MediaBody> => {
      const url = parse(link);
      const secure = upgraded(url, options.allowHosts);
      if (!secure) return await look(url, link, signal);
      try {
        return await look(secure, link, signal);
      } catch (error) {
        // That https works is a report, not documentation; the link carries nothing to hide.
        if (!(error instanceof FailureError) || !NO_HTTPS.test(error.failure.code)) throw error;
        return await look(url, link, signal);
      }
    },

    /** The video behind a link that may be too young (404) or too old (403): one more look, not more. */
    openVideo: async (link: Link, askAgain: AskAgain, signal: AbortSignal): Promise<MediaBody> => {
      try {
        return await look(parse(link), link, signal);
      } catch (error) {
        const status = error instanceof FailureError ? error.cause : undefined;
        if (status === 404) {
          await settle(settleMs, signal);
          return await look(parse(link), link, signal);
        }
        if (status !== 403) throw error;
        const fresh = await askAgain();
        if (!('videoUrl' in fresh)) return fresh;
        const again = { ...link, url: fresh.videoUrl };
        return await look(parse(again), again, signal);
      }
    },
  };
}

async function settle(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

/** The same link over https, for hosts that are known to have it. */
function upgraded(url: URL, allowHosts: readonly string[]): URL | undefined {
  const isKnown = url.hostname.toLowerCase().endsWith('.qpic.cn');
  if (url.protocol !== 'http:' || url.port !== '' || !isKnown) return undefined;
  if (checkLink(url, allowHosts) === 'trusted') return undefined;
  const secure = new URL(url);
  secure.protocol = 'https:';
  return secure;
}
