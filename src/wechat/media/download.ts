/** Downloads one media item: media/get, or the video link that media/get returns. */
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Kind, ReferenceInput } from '../../media.ts';
import type { Log } from '../../runtime/log.ts';
import { parseRetryAfterMs } from '../../runtime/network/retry-after.ts';
import { NO_TRACER, type Tracer } from '../../runtime/tracing/tracer.ts';
import { WECOM_BASE_URL } from '../api/client.ts';
import { errcodeFailure, httpFailure } from '../api/response.ts';
import { createHttpClient, type HttpClientOptions, type HttpRequest } from '../http/stream-get.ts';
import { createLinks, type Link } from './links.ts';
import { type ClassifiedResponse, createGetClassified, type MediaBody, toMediaBody } from './media-body.ts';
import { openRanges } from './ranges.ts';
import { traceDownloads } from './traced-get.ts';

export type { MediaBody };

export interface DownloaderOptions
  extends Pick<HttpClientOptions, 'proxyUrl' | 'maxIdleConnections' | 'resolve' | 'secureContext'> {
  /** `https://api.weixin.qq.com`. */
  readonly baseUrl: string;
  /** The same for WeCom accounts; default {@link WECOM_BASE_URL}. */
  readonly wecomBaseUrl?: string | undefined;
  /** The same over http, for videos that WeChat does not serve over https; undefined or empty turns it off. */
  readonly videoBaseUrl?: string | undefined;
  /** Each is `host` or `host:port`. They are the only exceptions from the SSRF guard. */
  readonly allowHosts: readonly string[];
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly maxMediaBytes: number;
  /** The delay before a link that returned 404 is fetched once more; default 3 s. Not scaled by TIME_SCALE. */
  readonly linkRetryDelayMs?: number;
  /** The size of the ranges in which large files of WeCom are requested; default 16 MiB. */
  readonly rangeBytes?: number;
  /** Called for each call that sends a token over plain http. */
  readonly onInsecureVideo?: (account: string) => void;
  readonly log: Pick<Log, 'warn'>;
  readonly tracer?: Tracer;
}

export interface DownloadRequest {
  readonly account: Pick<Account, 'account' | 'product'>;
  readonly token: string;
  readonly mediaId: string;
  readonly kind: Kind;
  readonly variant?: ReferenceInput['variant'] | undefined;
}

export interface Downloader {
  /** Downloads the media item. Rejects with the failure for WeChat's response. No error contains the token. */
  open(request: DownloadRequest, signal: AbortSignal): Promise<MediaBody>;
  /** Fetches a link from a message, through the SSRF guard, without token, cookie or Referer. */
  openLink(link: Link, signal: AbortSignal): Promise<MediaBody>;
  close(): Promise<void>;
}

const MEDIA_GET = 'media/get';
const JSSDK = 'media/get/jssdk';
/** The errcode of WeCom for a file that is too large for one response. */
const RANGE_REQUIRED = 830002;

export function createDownloader(options: DownloaderOptions): Downloader {
  const { maxMediaBytes } = options;
  const http = createHttpClient({ ...options, maxBodyBytes: maxMediaBytes });
  const get = traceDownloads(options.tracer ?? NO_TRACER, createGetClassified(http, maxMediaBytes));
  const links = createLinks(get, options);

  const baseUrlOf = ({ account }: DownloadRequest) =>
    account.product === 'wecom' ? (options.wecomBaseUrl ?? WECOM_BASE_URL) : options.baseUrl;

  function mediaGet(baseUrl: string, request: DownloadRequest, call: string, signal: AbortSignal) {
    const path = `/cgi-bin/${call}`;
    const url = new URL(`${baseUrl.replace(/\/+$/, '')}${path}`);
    url.searchParams.set('access_token', request.token);
    url.searchParams.set('media_id', request.mediaId);
    return (options: Pick<HttpRequest, 'range' | 'timeoutMs'> = {}) =>
      get(url, { ssrfGuard: false, where: call, path, kind: request.kind, ...options }, signal);
  }

  /** Throws the failure for a response that is not a media file. */
  function throwFailure(request: DownloadRequest, { response, bodyClass }: ClassifiedResponse): never {
    response.discard();
    if (bodyClass.is === 'errcode') {
      const { product } = request.account;
      const from = { product, endpoint: 'media_get', secrets: [request.token] } as const;
      throw errcodeFailure(bodyClass.response, bodyClass.errcode, from);
    }
    if (response.status !== 200 && response.status !== 206) {
      const retryAfterMs = parseRetryAfterMs(response.headers['retry-after'], new Date());
      throw httpFailure(response.status, MEDIA_GET, retryAfterMs);
    }
    if (bodyClass.is === 'failure') throw failure(bodyClass.code, MEDIA_GET, { cause: bodyClass.cause });
    throw failure('malformed_answer', MEDIA_GET);
  }

  /** Calls media/get once. Resolves with the file, or with the link that WeChat returned. */
  async function callMediaGet(
    baseUrl: string,
    request: DownloadRequest,
    signal: AbortSignal,
  ): Promise<MediaBody | { videoUrl: string }> {
    if (request.variant === 'jssdk') return await callJssdk(baseUrl, request, signal);
    const requestMedia = mediaGet(baseUrl, request, MEDIA_GET, signal);
    const got = await requestMedia();
    const { response, bodyClass, body } = got;
    if (response.status === 200 && bodyClass.is === 'media')
      return toMediaBody(response, bodyClass.type, body, 'media_get');
    if (response.status === 200 && bodyClass.is === 'video_url') {
      response.discard();
      return { videoUrl: bodyClass.url };
    }
    const isTooLargeAtOnce = bodyClass.is === 'errcode' && bodyClass.errcode === RANGE_REQUIRED;
    if (request.account.product === 'wecom' && isTooLargeAtOnce) {
      response.discard();
      return await openRanges(
        (range, timeoutMs) => requestMedia({ range, timeoutMs }),
        (failed) => throwFailure(request, failed),
        options,
      );
    }
    return throwFailure(request, got);
  }

  /** Downloads an HD voice (speex, 16 kHz), or the plain AMR voice if WeChat has no HD voice. */
  async function callJssdk(baseUrl: string, request: DownloadRequest, signal: AbortSignal) {
    try {
      const got = await mediaGet(baseUrl, request, JSSDK, signal)();
      const { response, bodyClass, body } = got;
      if (response.status !== 200 || bodyClass.is !== 'media') return throwFailure(request, got);
      return toMediaBody(response, bodyClass.type, body, 'jssdk');
    } catch (error) {
      if (!(error instanceof FailureError) || !hasNoHdVoice(error)) throw error;
      return await callMediaGet(baseUrl, { ...request, variant: undefined }, signal);
    }
  }

  /** Calls media/get over https. A video that WeChat does not serve over https is requested once more over http. */
  async function callWithHttpFallback(request: DownloadRequest, signal: AbortSignal) {
    const baseUrl = baseUrlOf(request);
    try {
      return await callMediaGet(baseUrl, request, signal);
    } catch (error) {
      const insecureUrl = request.account.product === 'wecom' ? undefined : options.videoBaseUrl;
      if (!insecureUrl || insecureUrl === baseUrl || !mayNeedHttp(request.kind, error)) throw error;
      options.onInsecureVideo?.(request.account.account);
      options.log.warn(
        { account: request.account.account, kind: request.kind, after: error.failure.code },
        'download: video requested over http, the access token is not encrypted',
      );
      return await callMediaGet(insecureUrl, request, signal);
    }
  }

  return {
    open: async (request, signal) => {
      const got = await callWithHttpFallback(request, signal);
      if (!('videoUrl' in got)) return got;
      const link = { url: got.videoUrl, source: 'video_url', kind: request.kind } as const;
      return await links.openVideo(link, () => callWithHttpFallback(request, signal), signal);
    },
    openLink: links.openPicture,
    close: () => http.close(),
  };
}

/** Whether the HD call is impossible for this voice or this account. The plain call may still be possible. */
const hasNoHdVoice = ({ failure: { class: failureClass, code } }: FailureError) =>
  failureClass === 'permanent_media' || code === 'http_refused' || code === 'api_unauthorized';

/**
 * Whether a video may have to be requested over http: WeChat's documentation states that videos are not served over
 * https. True only for failures that this can cause: a page, an empty body, a refused connection, or a malformed
 * response. False for an errcode, also for one that is cut, and for temporary failures.
 */
function mayNeedHttp(kind: Kind, error: unknown): error is FailureError {
  if (kind !== 'video' && kind !== 'shortvideo') return false;
  if (!(error instanceof FailureError) || error.failure.errcode !== undefined) return false;
  if (error.cause === 'errcode') return false;
  const { code } = error.failure;
  if (code === 'network') return error.cause === 'ECONNREFUSED';
  return ['body_empty', 'body_not_media', 'malformed_answer', 'http_refused'].includes(code);
}
