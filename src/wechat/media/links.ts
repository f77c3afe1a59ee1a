/** Links out of answers and messages: fetched behind the address guard, with no token, cookie or Referer. */
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError, failure } from '../../failures.ts';
import type { Kind, Source } from '../../media.ts';
import { httpFailure } from '../api/response.ts';
import { checkLink } from '../http/ssrf-guard.ts';
import { type GetClassified, type MediaBody, toMediaBody } from './media-body.ts';

export interface Link {
  readonly url: string;
  readonly source: Extract<Source, 'video_url' | 'pic_url'>;
  readonly kind: Kind;
}

/** A fresh link, or the video itself: the same media id may be answered either way. */
export type RequestFreshLink = () => Promise<MediaBody | { videoUrl: string }>;

/** "video_url gives 404, works a few seconds later": one more look after this. */
const RETRY_DELAY_MS = 3_000;
/** No connection over https, or none through this proxy. */
const NO_HTTPS = /^(network|tls_\w+|proxy_(refused|unfit|failed))$/;
/** The next try asks for a fresh link, and need not wait as long as after other trouble. */
const FRESH_LINK_MS = 5_000;

export function createLinks(
  get: GetClassified,
  options: { allowHosts: readonly string[]; linkRetryDelayMs?: number | undefined },
) {
  const retryDelayMs = options.linkRetryDelayMs ?? RETRY_DELAY_MS;

  async function fetchLink(url: URL, link: Link, signal: AbortSignal): Promise<MediaBody> {
    const guarded = checkLink(url, options.allowHosts) === 'guarded';
    const {
      response: answer,
      bodyClass: verdict,
      body,
    } = await get(url, { ssrfGuard: guarded, isLink: true, where: link.source, kind: link.kind }, signal);
    if (answer.status === 200 && verdict.is === 'media')
      return toMediaBody(answer, verdict.type, body, link.source);
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
      const secure = toHttps(url, options.allowHosts);
      if (!secure) return await fetchLink(url, link, signal);
      try {
        return await fetchLink(secure, link, signal);
      } catch (error) {
        // That https works is a report, not documentation; the link carries nothing to hide.
        if (!(error instanceof FailureError) || !NO_HTTPS.test(error.failure.code)) throw error;
        return await fetchLink(url, link, signal);
      }
    },

    /** The video behind a link that may be too young (404) or too old (403): one more look, not more. */
    openVideo: async (link: Link, askAgain: RequestFreshLink, signal: AbortSignal): Promise<MediaBody> => {
      try {
        return await fetchLink(parse(link), link, signal);
      } catch (error) {
        const status = error instanceof FailureError ? error.cause : undefined;
        if (status === 404) {
          await sleep(retryDelayMs, signal);
          return await fetchLink(parse(link), link, signal);
        }
        if (status !== 403) throw error;
        const fresh = await askAgain();
        if (!('videoUrl' in fresh)) return fresh;
        const again = { ...link, url: fresh.videoUrl };
        return await fetchLink(parse(again), again, signal);
      }
    },
  };
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

/** The same link over https, for hosts that are known to have it. */
function toHttps(url: URL, allowHosts: readonly string[]): URL | undefined {
  const isKnown = url.hostname.toLowerCase().endsWith('.qpic.cn');
  if (url.protocol !== 'http:' || url.port !== '' || !isKnown) return undefined;
  if (checkLink(url, allowHosts) === 'trusted') return undefined;
  const secure = new URL(url);
  secure.protocol = 'https:';
  return secure;
}
