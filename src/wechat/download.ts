/** Fetches a media: media/get, its first bytes, the link of a video where it answers with one. */
import type { Account } from '../account.ts';
import { FailureError, failure } from '../failures.ts';
import type { Log } from '../log.ts';
import type { Kind, ReferenceInput, Source } from '../media.ts';
import { type MediaType, sniff } from '../media-type.ts';
import { checkLink } from './address-guard.ts';
import { errcodeFailure, httpFailure } from './answer.ts';
import { fileNameOf } from './file-name.ts';
import { beginsLikeJson, HEAD_BYTES, JSON_BYTES, judge, type Verdict } from './first-bytes.ts';
import { createHttp, type HttpBody, type HttpOptions, tooLarge } from './http.ts';

export interface DownloaderOptions extends Pick<HttpOptions, 'proxyUrl' | 'keepIdle' | 'resolve'> {
  /** `https://api.weixin.qq.com`. */
  readonly baseUrl: string;
  /** The same over http, for videos that https does not serve; undefined or empty turns it off. */
  readonly videoBaseUrl?: string | undefined;
  /** `host` or `host:port`: the only exceptions to the address guard. */
  readonly allowHosts: readonly string[];
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly maxMediaBytes: number;
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

export interface MediaBody {
  readonly source: Source;
  /** Content-Type as sent, cut to 100 characters; known to be wrong at times. */
  readonly declaredType?: string;
  readonly fileName?: string;
  /** From Content-Length; `body` ends cleanly only after so many bytes. */
  readonly lengthBytes?: number;
  /** By the first bytes; application/octet-stream and `bin` for formats without magic. */
  readonly sniffed: MediaType;
  /** All bytes from the first on; to be read once. Throws FailureErrors, or the reason of the signal. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection. To be called in any case; harmless after the end. */
  discard(): void;
}

export interface Downloader {
  /** Rejects with the FailureError of what WeChat answered; no error holds the token. */
  open(request: DownloadRequest, signal: AbortSignal): Promise<MediaBody>;
  /** Fetches a link out of a message or an answer, behind the address guard, with no token, cookie or Referer. */
  openLink(
    link: { url: string; source: Extract<Source, 'video_url' | 'pic_url'>; kind: Kind },
    signal: AbortSignal,
  ): Promise<MediaBody>;
  close(): Promise<void>;
}

const MEDIA_GET = 'media/get';
const LONGEST_RETRY_AFTER_MS = 3_600_000;

export function createDownloader(options: DownloaderOptions): Downloader {
  const { maxMediaBytes } = options;
  const http = createHttp({ ...options, maxBodyBytes: maxMediaBytes });

  async function get(url: URL, how: { guarded: boolean; where: string }, kind: Kind, signal: AbortSignal) {
    const answer = await http.get(url, how, signal);
    try {
      const encoding = answer.headers['content-encoding']?.trim().toLowerCase();
      if (encoding && encoding !== 'identity')
        throw failure('body_encoded', `${how.where}: ${encoding.slice(0, 40)}`);
      if ((answer.lengthBytes ?? 0) > maxMediaBytes) throw tooLarge(maxMediaBytes);
      return { answer, ...(await readHead(answer, kind)) };
    } catch (error) {
      answer.discard();
      throw error;
    }
  }

  /** One call of media/get: a body, or the link that it answered with. */
  async function callMediaGet(baseUrl: string, request: DownloadRequest, signal: AbortSignal) {
    const isHighDefinition = request.variant === 'jssdk';
    const url = new URL(
      `${baseUrl.replace(/\/+$/, '')}/cgi-bin/media/get${isHighDefinition ? '/jssdk' : ''}`,
    );
    url.searchParams.set('access_token', request.token);
    url.searchParams.set('media_id', request.mediaId);
    const got = await get(url, { guarded: false, where: MEDIA_GET }, request.kind, signal);
    const { answer, verdict } = got;
    const from = {
      product: request.account.product,
      endpoint: 'media_get',
      secrets: [request.token],
    } as const;
    if (verdict.is === 'errcode') {
      answer.discard();
      throw errcodeFailure(verdict.answer, verdict.errcode, from);
    }
    if (answer.status !== 200) {
      answer.discard();
      throw httpFailure(answer.status, MEDIA_GET, retryAfterMs(answer.headers['retry-after']));
    }
    if (verdict.is === 'media') {
      return mediaBody(answer, verdict.type, got.body, isHighDefinition ? 'jssdk' : 'media_get');
    }
    answer.discard();
    if (verdict.is === 'video_url') return { videoUrl: verdict.url };
    throw failure(verdict.code, MEDIA_GET);
  }

  async function openLink(
    link: { url: string; source: Extract<Source, 'video_url' | 'pic_url'>; kind: Kind },
    signal: AbortSignal,
  ): Promise<MediaBody> {
    const url = URL.parse(link.url);
    if (!url) throw failure('malformed_answer', `${link.source}: not a URL`);
    const guarded = checkLink(url, options.allowHosts) === 'guarded';
    const got = await get(url, { guarded, where: link.source }, link.kind, signal);
    if (got.answer.status === 200 && got.verdict.is === 'media') {
      return mediaBody(got.answer, got.verdict.type, got.body, link.source);
    }
    got.answer.discard();
    const why = got.answer.status === 200 ? 'no media behind the link' : `HTTP ${got.answer.status}`;
    throw link.source === 'video_url'
      ? failure('video_link_failed', why)
      : got.answer.status === 200
        ? failure('body_not_media', `${link.source}: ${why}`)
        : httpFailure(got.answer.status, link.source);
  }

  return {
    open: async (request, signal) => {
      let got: Awaited<ReturnType<typeof callMediaGet>>;
      try {
        got = await callMediaGet(options.baseUrl, request, signal);
      } catch (error) {
        const insecureUrl = options.videoBaseUrl;
        if (!insecureUrl || insecureUrl === options.baseUrl || !mayNeedHttp(request.kind, error)) throw error;
        options.onInsecureVideo?.(request.account.account);
        options.log.warn(
          { account: request.account.account, kind: request.kind, after: error.failure.code },
          'asking for a video over http: the access token travels in clear',
        );
        got = await callMediaGet(insecureUrl, request, signal);
      }
      if (!('videoUrl' in got)) return got;
      return await openLink({ url: got.videoUrl, source: 'video_url', kind: request.kind }, signal);
    },
    openLink,
    close: () => http.close(),
  };
}

/**
 * The documentation of record says that videos are not served over https. Only what looks like that leads to http:
 * a page, nothing, a closed port, an answer nobody understands. Never an errcode, nor trouble that may pass.
 */
function mayNeedHttp(kind: Kind, error: unknown): error is FailureError {
  if (kind !== 'video' && kind !== 'shortvideo') return false;
  if (!(error instanceof FailureError) || error.failure.errcode !== undefined) return false;
  const { code } = error.failure;
  if (code === 'network') return error.cause === 'ECONNREFUSED';
  return ['body_empty', 'body_not_media', 'malformed_answer', 'http_refused'].includes(code);
}

/** Reads as much as the judgement needs, and gives the body back whole. */
async function readHead(
  answer: HttpBody,
  kind: Kind,
): Promise<{ verdict: Verdict; body: AsyncIterable<Uint8Array> }> {
  const rest = answer.body[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let size = 0;
  let isWhole = false;
  let enough = HEAD_BYTES;
  while (size < enough && !isWhole) {
    const next = await rest.next();
    if (next.done) {
      isWhole = true;
    } else {
      if (size === 0 && beginsLikeJson(next.value)) enough = JSON_BYTES;
      pieces.push(next.value);
      size += next.value.length;
    }
  }
  const head = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  const verdict = judge({
    head,
    isWhole,
    sniffed: await sniff(head.subarray(0, HEAD_BYTES)),
    contentType: answer.headers['content-type'],
    kind,
    hasAttachmentName: fileNameOf(answer.headers['content-disposition']) !== undefined,
  });
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* pieces.splice(0);
    if (!isWhole) yield* { [Symbol.asyncIterator]: () => rest };
  }
  return { verdict, body: whole() };
}

function mediaBody(
  answer: HttpBody,
  type: MediaType,
  body: AsyncIterable<Uint8Array>,
  source: Source,
): MediaBody {
  const declaredType = answer.headers['content-type']?.trim().slice(0, 100);
  const fileName = fileNameOf(answer.headers['content-disposition']);
  return {
    source,
    ...(declaredType ? { declaredType } : {}),
    ...(fileName ? { fileName } : {}),
    ...(answer.lengthBytes === undefined ? {} : { lengthBytes: answer.lengthBytes }),
    sniffed: type,
    body,
    discard: answer.discard,
  };
}

function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = /^\s*(\d{1,6})\s*$/.exec(header ?? '')?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, LONGEST_RETRY_AFTER_MS);
}
