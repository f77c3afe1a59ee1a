/** A downloader, requests and bodies for tests of downloads. */
import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { inspect } from 'node:util';
import { FailureError } from '../../../src/failures.ts';
import {
  createDownloader,
  type DownloaderOptions,
  type DownloadRequest,
} from '../../../src/wechat/media/download.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

export const TOKEN = 'TOKEN-of-the-account-0123456789';
export const NEVER = new AbortController().signal;
export const JPEG = Buffer.concat([Buffer.from('ffd8ffe000104a46494600', 'hex'), Buffer.alloc(20_000, 'j')]);
export const MP4 = Buffer.concat([
  Buffer.from('0000001866747970', 'hex'),
  Buffer.from('mp42'),
  Buffer.alloc(9_000, 'v'),
]);

export function open(t: TestContext, baseUrl: string, more: Partial<DownloaderOptions> = {}) {
  const warnings: object[] = [];
  const insecure: string[] = [];
  const downloader = createDownloader({
    baseUrl,
    allowHosts: [],
    idleTimeoutMs: 2_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    onInsecureVideo: (who) => insecure.push(who),
    log: { warn: (line: object) => warnings.push(line) } as unknown as DownloaderOptions['log'],
    ...more,
  });
  t.after(() => downloader.close());
  return { downloader, warnings, insecure };
}

export const downloadRequest = (more: Partial<DownloadRequest> = {}): DownloadRequest => ({
  account: account(),
  token: TOKEN,
  mediaId: 'media-1',
  kind: 'image',
  ...more,
});

export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Downloads a whole item, which must fail. Resolves with the failure, which must not contain the token. */
export async function failureOf(
  t: TestContext,
  baseUrl: string,
  more: Partial<DownloadRequest> = {},
  how = {},
) {
  const { downloader } = open(t, baseUrl, how);
  const error = await downloader
    .open(downloadRequest(more), NEVER)
    .then(async (media) => bytesOf(media.body))
    .then(
      (bytes) => assert.fail(`${bytes.length} bytes were downloaded`),
      (reason: unknown) => reason,
    );
  assert.ok(error instanceof FailureError, inspect(error));
  const shown = inspect(error, { depth: 10, showHidden: true });
  assert.ok(!shown.includes(TOKEN) && !/access_token=(?!\[redacted\])/.test(shown), shown);
  return { ...error.failure, retryAfterMs: error.retryAfterMs };
}

export const respondWith =
  (body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, headers).end(body);

/** A media/get that returns a video link, and the server of the link. */
export async function withLink(
  t: TestContext,
  respond: (response: ServerResponse) => void,
  path = '/v.tc.qq.com/1.mp4?vkey=K',
) {
  const cdn = await startHttpServer(t, (_request, response) => respond(response));
  const text = JSON.stringify({ video_url: `${cdn.url}${path}` }).replaceAll('/', '\\/');
  const wechat = await startHttpServer(t, respondWith(text, { 'content-type': 'text/plain' }));
  return { cdn, wechat };
}
