/** Fetches a media: media/get, its first bytes, the link of a video where it answers with one. */
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Kind, ReferenceInput } from '../../media.ts';
import type { Log } from '../../runtime/log.ts';
import { WECOM_BASE_URL } from '../api/client.ts';
import { errcodeFailure, httpFailure } from '../api/response.ts';
import { createHttpClient, type HttpClientOptions } from '../http/stream-get.ts';
import { createLinks, type Link } from './links.ts';
import { type ClassifiedResponse, createGetClassified, type MediaBody, toMediaBody } from './media-body.ts';
import { openRanges } from './ranges.ts';

export type { MediaBody };

export interface DownloaderOptions
  extends Pick<HttpClientOptions, 'proxyUrl' | 'maxIdleConnections' | 'resolve' | 'secureContext'> {
  /** `https://api.weixin.qq.com`. */
  readonly baseUrl: string;
  /** The same for accounts of WeCom; https://qyapi.weixin.qq.com unless told. */
  readonly wecomBaseUrl?: string | undefined;
  /** The same over http, for videos that https does not serve; undefined or empty turns it off. */
  readonly videoBaseUrl?: string | undefined;
  /** `host` or `host:port`: the only exceptions to the address guard. */
  readonly allowHosts: readonly string[];
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly maxMediaBytes: number;
  /** How long a link that gave 404 is left alone before one more look. Real time, as sockets have it. */
  readonly linkRetryDelayMs?: number;
  /** The size of the pieces in which WeCom's large files come. */
  readonly rangeBytes?: number;
  /** Counts the calls that carried a token in clear. */
  readonly onInsecureVideo?: (account: string) => void;
  readonly log: Pick<Log, 'warn'>;
}

export interface DownloadRequest {
  readonly account: Pick<Account, 'account' | 'product'>;
  readonly token: string;
  readonly mediaId: string;
  readonly kind: Kind;
  readonly variant?: ReferenceInput['variant'] | undefined;
}

export interface Downloader {
  /** Rejects with the FailureError of what WeChat answered; no error holds the token. */
  open(request: DownloadRequest, signal: AbortSignal): Promise<MediaBody>;
  /** Fetches a link out of a message, behind the address guard, with no token, cookie or Referer. */
  openLink(link: Link, signal: AbortSignal): Promise<MediaBody>;
  close(): Promise<void>;
}

const MEDIA_GET = 'media/get';
const JSSDK = 'media/get/jssdk';
/** WeCom: too large to be sent in one piece. */
const RANGE_REQUIRED = 830002;
const LONGEST_RETRY_AFTER_MS = 3_600_000;

export function createDownloader(options: DownloaderOptions): Downloader {
  const { maxMediaBytes } = options;
  const http = createHttpClient({ ...options, maxBodyBytes: maxMediaBytes });
  const get = createGetClassified(http, maxMediaBytes);
  const links = createLinks(get, options);

  const baseOf = ({ account }: DownloadRequest) =>
    account.product === 'wecom' ? (options.wecomBaseUrl ?? WECOM_BASE_URL) : options.baseUrl;

  function mediaGet(baseUrl: string, request: DownloadRequest, call: string, signal: AbortSignal) {
    const url = new URL(`${baseUrl.replace(/\/+$/, '')}/cgi-bin/${call}`);
    url.searchParams.set('access_token', request.token);
    url.searchParams.set('media_id', request.mediaId);
    return (range: { range?: string; withinMs?: number } = {}) =>
      get(url, { ssrfGuard: false, where: call, kind: request.kind, ...range }, signal);
  }

  /** Throws what an answer without a media in it means. */
  function refuse(
    request: DownloadRequest,
    { response: answer, bodyClass: verdict }: ClassifiedResponse,
  ): never {
    answer.discard();
    if (verdict.is === 'errcode') {
      const { product } = request.account;
      const from = { product, endpoint: 'media_get', secrets: [request.token] } as const;
      throw errcodeFailure(verdict.answer, verdict.errcode, from);
    }
    if (answer.status !== 200 && answer.status !== 206)
      throw httpFailure(answer.status, MEDIA_GET, retryAfterMs(answer.headers['retry-after']));
    if (verdict.is === 'failure') throw failure(verdict.code, MEDIA_GET, { cause: verdict.cause });
    throw failure('malformed_answer', MEDIA_GET);
  }

  /** One call of media/get: a body, or the link that it answered with. */
  async function callMediaGet(
    baseUrl: string,
    request: DownloadRequest,
    signal: AbortSignal,
  ): Promise<MediaBody | { videoUrl: string }> {
    if (request.variant === 'jssdk') return await callJssdk(baseUrl, request, signal);
    const ask = mediaGet(baseUrl, request, MEDIA_GET, signal);
    const got = await ask();
    const { response: answer, bodyClass: verdict } = got;
    if (answer.status === 200 && verdict.is === 'media')
      return toMediaBody(answer, verdict.type, got.body, 'media_get');
    if (answer.status === 200 && verdict.is === 'video_url') {
      answer.discard();
      return { videoUrl: verdict.url };
    }
    if (
      request.account.product === 'wecom' &&
      verdict.is === 'errcode' &&
      verdict.errcode === RANGE_REQUIRED
    ) {
      answer.discard();
      return await openRanges(
        (range, withinMs) => ask({ range, withinMs }),
        (judged) => refuse(request, judged),
        options,
      );
    }
    return refuse(request, got);
  }

  /** HD voice (speex, 16 kHz). What has no such form is had as plain AMR, which is better than nothing. */
  async function callJssdk(baseUrl: string, request: DownloadRequest, signal: AbortSignal) {
    try {
      const got = await mediaGet(baseUrl, request, JSSDK, signal)();
      const { response: answer, bodyClass: verdict, body } = got;
      if (answer.status !== 200 || verdict.is !== 'media') return refuse(request, got);
      return toMediaBody(answer, verdict.type, body, 'jssdk');
    } catch (error) {
      if (!(error instanceof FailureError) || !hasNoHighDefinition(error)) throw error;
      return await callMediaGet(baseUrl, { ...request, variant: undefined }, signal);
    }
  }

  async function callEitherWay(request: DownloadRequest, signal: AbortSignal) {
    const baseUrl = baseOf(request);
    try {
      return await callMediaGet(baseUrl, request, signal);
    } catch (error) {
      const insecureUrl = request.account.product === 'wecom' ? undefined : options.videoBaseUrl;
      if (!insecureUrl || insecureUrl === baseUrl || !mayNeedHttp(request.kind, error)) throw error;
      options.onInsecureVideo?.(request.account.account);
      options.log.warn(
        { account: request.account.account, kind: request.kind, after: error.failure.code },
        'asking for a video over http: the access token travels in clear',
      );
      return await callMediaGet(insecureUrl, request, signal);
    }
  }

  return {
    open: async (request, signal) => {
      const got = await callEitherWay(request, signal);
      if (!('videoUrl' in got)) return got;
      const link = { url: got.videoUrl, source: 'video_url', kind: request.kind } as const;
      return await links.openVideo(link, () => callEitherWay(request, signal), signal);
    },
    openLink: links.openPicture,
    close: () => http.close(),
  };
}

/** The call is not for this voice, or not for this account; the plain one may be. */
const hasNoHighDefinition = ({ failure: { class: kind, code } }: FailureError) =>
  kind === 'permanent_media' || code === 'http_refused' || code === 'api_unauthorized';

/**
 * The documentation of record says that videos are not served over https. Only what looks like that leads to http:
 * a page, nothing, a closed port, an answer nobody understands. Never an errcode, a cut one included, nor trouble that
 * may pass.
 */
function mayNeedHttp(kind: Kind, error: unknown): error is FailureError {
  if (kind !== 'video' && kind !== 'shortvideo') return false;
  if (!(error instanceof FailureError) || error.failure.errcode !== undefined) return false;
  if (error.cause === 'errcode') return false;
  const { code } = error.failure;
  if (code === 'network') return error.cause === 'ECONNREFUSED';
  return ['body_empty', 'body_not_media', 'malformed_answer', 'http_refused'].includes(code);
}

function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = /^\s*(\d{1,6})\s*$/.exec(header ?? '')?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, LONGEST_RETRY_AFTER_MS);
}
