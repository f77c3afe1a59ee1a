/** Fetches the links of responses and messages, through the SSRF guard and without token, cookie or Referer. */
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

/** Resolves with a fresh link, or with the video itself: WeChat may send either for the same media id. */
export type RequestFreshLink = () => Promise<MediaBody | { videoUrl: string }>;

/**
 * The delay before a video_url that returned 404 is fetched once more: users report that it works a few seconds later.
 */
const RETRY_DELAY_MS = 3_000;
/** The failures which mean that https is not available, directly or through this proxy. */
const NO_HTTPS = /^(network|tls_\w+|proxy_(refused|unfit|failed))$/;
/** The delay before the next attempt. It is short, because the next attempt requests a fresh link. */
const FRESH_LINK_MS = 5_000;

export function createLinks(
  get: GetClassified,
  options: { allowHosts: readonly string[]; linkRetryDelayMs?: number | undefined },
) {
  const retryDelayMs = options.linkRetryDelayMs ?? RETRY_DELAY_MS;

  async function fetchLink(url: URL, link: Link, signal: AbortSignal): Promise<MediaBody> {
    const ssrfGuard = checkLink(url, options.allowHosts) === 'guarded';
    const { response, bodyClass, body } = await get(
      url,
      { ssrfGuard, isLink: true, where: link.source, kind: link.kind },
      signal,
    );
    const { status } = response;
    if (status === 200 && bodyClass.is === 'media')
      return toMediaBody(response, bodyClass.type, body, link.source);
    response.discard();
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
    /** Opens the picture of a PicUrl. Uses https if the host supports it, although WeChat's link is http. */
    openPicture: async (link: Link, signal: AbortSignal): Promise<MediaBody> => {
      const url = parse(link);
      const secure = toHttps(url, options.allowHosts);
      if (!secure) return await fetchLink(url, link, signal);
      try {
        return await fetchLink(secure, link, signal);
      } catch (error) {
        // Users report that https works, but it is not documented. The link contains no secret.
        if (!(error instanceof FailureError) || !NO_HTTPS.test(error.failure.code)) throw error;
        return await fetchLink(url, link, signal);
      }
    },

    /**
     * Opens the video of a link. A link that is too new (404) or has expired (403) is fetched a second time, but not
     * more often.
     */
    openVideo: async (
      link: Link,
      requestFreshLink: RequestFreshLink,
      signal: AbortSignal,
    ): Promise<MediaBody> => {
      try {
        return await fetchLink(parse(link), link, signal);
      } catch (error) {
        const status = error instanceof FailureError ? error.cause : undefined;
        if (status === 404) {
          await sleep(retryDelayMs, signal);
          return await fetchLink(parse(link), link, signal);
        }
        if (status !== 403) throw error;
        const fresh = await requestFreshLink();
        if (!('videoUrl' in fresh)) return fresh;
        const freshLink = { ...link, url: fresh.videoUrl };
        return await fetchLink(parse(freshLink), freshLink, signal);
      }
    },
  };
}

/** Waits. Rejects with the signal's own reason, whereas the timer of Node rejects with an AbortError. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

/** Returns the same link over https, if the host is known to support it. */
function toHttps(url: URL, allowHosts: readonly string[]): URL | undefined {
  const isKnown = url.hostname.toLowerCase().endsWith('.qpic.cn');
  if (url.protocol !== 'http:' || url.port !== '' || !isKnown) return undefined;
  if (checkLink(url, allowHosts) === 'trusted') return undefined;
  const secure = new URL(url);
  secure.protocol = 'https:';
  return secure;
}
