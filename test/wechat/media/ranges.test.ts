import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import { createDownloader, type DownloaderOptions } from '../../../src/wechat/media/download.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

const NEVER = new AbortController().signal;
const CORP = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
/** Its second piece begins like JSON, its third like an error of WeCom's. */
const FILE = Buffer.concat([
  Buffer.from('%PDF-1.7'.padEnd(1000, 'p')),
  Buffer.from('{"errcode":40014,"errmsg":"part of the file"}'.padEnd(1000, ' ')),
  Buffer.from('<html>'.padEnd(777, 'h')),
]);

type Respond = (
  range: { from: number; to: number },
  response: ServerResponse,
  request: IncomingMessage,
) => void;

const honest: Respond = ({ from, to }, response) => {
  const piece = FILE.subarray(from, to + 1);
  const last = from + piece.length - 1;
  response
    .writeHead(206, {
      'content-range': `bytes ${from}-${last}/${FILE.length}`,
      'content-length': piece.length,
    })
    .end(piece);
};

/** WeCom with a file too large to be sent whole. */
async function wecom(t: TestContext, respond: Respond = honest, more: Partial<DownloaderOptions> = {}) {
  const ranges: (string | undefined)[] = [];
  const server = await startHttpServer(t, (request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined) response.end('{"errcode":830002,"errmsg":"need range"}');
    else respond({ from: Number(from), to: Number(to) }, response, request);
  });
  const downloader = createDownloader({
    baseUrl: 'http://127.0.0.1:1',
    wecomBaseUrl: server.url,
    allowHosts: [],
    idleTimeoutMs: 2_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    rangeBytes: 1_000,
    log: { warn: () => {} } as unknown as DownloaderOptions['log'],
    ...more,
  });
  t.after(() => downloader.close());
  const open = () =>
    downloader.open({ account: CORP, token: 'TOKEN-1', mediaId: 'big', kind: 'file' }, NEVER);
  const whole = async () => {
    const media = await open();
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of media.body) pieces.push(piece);
    } finally {
      media.discard();
    }
    return { ...media, bytes: Buffer.concat(pieces) };
  };
  const failure = async () => {
    const error = await whole().then(
      ({ bytes }) => assert.fail(`${bytes.length} bytes came`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof FailureError, String(error));
    return error.failure;
  };
  return { server, ranges, whole, failure };
}

test('a WeCom file that is too large for one response is downloaded in ranges, as one body', async (t) => {
  const { whole, ranges } = await wecom(t);
  const media = await whole();
  assert.ok(media.bytes.equals(FILE));
  assert.deepEqual(
    [media.lengthBytes, media.endIsProven, media.source, media.sniffed.extension],
    [FILE.length, true, 'media_get', 'pdf'],
  );
  assert.deepEqual(ranges, [undefined, 'bytes=0-999', 'bytes=1000-1999', 'bytes=2000-2776']);
});

test('a range may be shorter than requested', async (t) => {
  const { whole } = await wecom(t, ({ from, to }, ...rest) =>
    honest({ from, to: Math.min(to, from + 399) }, ...rest),
  );
  assert.ok((await whole()).bytes.equals(FILE));
});

test('the whole file in response to a range is accepted', async (t) => {
  const { whole } = await wecom(t, (_range, response) => response.end(FILE));
  const media = await whole();
  assert.ok(media.bytes.equals(FILE));
});

const head = (range: string, length: number) => ({ 'content-range': range, 'content-length': length });

test('a response that is not the requested range fails the download', async (t) => {
  const total = FILE.length;
  const wrongRanges: [name: string, respond: Respond, code: string][] = [
    [
      'no Content-Range',
      (_range, response) => response.writeHead(206).end(FILE.subarray(0, 1000)),
      'malformed_answer',
    ],
    [
      'unknown total',
      (_range, response) => response.writeHead(206, head('bytes 0-999/*', 1000)).end(FILE.subarray(0, 1000)),
      'malformed_answer',
    ],
    [
      'another place',
      (_range, response) =>
        response.writeHead(206, head(`bytes 1-1000/${total}`, 1000)).end(FILE.subarray(1, 1001)),
      'malformed_answer',
    ],
    [
      'more than requested',
      (_range, response) =>
        response.writeHead(206, head(`bytes 0-1999/${total}`, 2000)).end(FILE.subarray(0, 2000)),
      'malformed_answer',
    ],
    [
      'beyond the total',
      (_range, response) =>
        response.writeHead(206, head('bytes 0-999/999', 1000)).end(FILE.subarray(0, 1000)),
      'malformed_answer',
    ],
    [
      'a length of its own',
      (_range, response) =>
        response.writeHead(206, head(`bytes 0-999/${total}`, 998)).end(FILE.subarray(0, 998)),
      'malformed_answer',
    ],
    [
      'chunked and short',
      (_range, response) => {
        response.writeHead(206, { 'content-range': `bytes 0-999/${total}` });
        response.write(FILE.subarray(0, 500));
        response.end();
      },
      'body_too_short',
    ],
    [
      'chunked and long',
      (_range, response) => {
        response.writeHead(206, { 'content-range': `bytes 0-999/${total}` });
        response.write(FILE.subarray(0, 500));
        response.end(FILE.subarray(500, 1500));
      },
      'body_too_long',
    ],
    [
      'too large in all',
      (_range, response) =>
        response.writeHead(206, head('bytes 0-999/1000001', 1000)).end(FILE.subarray(0, 1000)),
      'too_large',
    ],
    ['again too large', (_range, response) => void response.end('{"errcode":830002}'), 'range_required'],
  ];
  for (const [name, respond, code] of wrongRanges) {
    const { failure } = await wecom(t, respond);
    assert.equal((await failure()).code, code, name);
  }
});

test('a failure of a later range has its own code', async (t) => {
  const failures: [name: string, fail: Respond, code: string][] = [
    [
      'token',
      (_range, response) => void response.end('{"errcode":42001,"errmsg":"expired"}'),
      'access_token_expired',
    ],
    ['gone', (_range, response) => void response.end('{"errcode":40007}'), 'invalid_media_id'],
    ['down', (_range, response) => void response.writeHead(502).end(), 'http_status'],
    [
      'another file',
      (_range, response) =>
        void response.writeHead(206, head('bytes 1000-1999/5000', 1000)).end(FILE.subarray(1000, 2000)),
      'malformed_answer',
    ],
    ['whole instead', (_range, response) => void response.end(FILE), 'malformed_answer'],
    [
      'cut',
      (_range, response) => {
        response.writeHead(206, head(`bytes 1000-1999/${FILE.length}`, 1000));
        response.write(FILE.subarray(1000, 1500), () => response.destroy());
      },
      'body_too_short',
    ],
  ];
  for (const [name, fail, code] of failures) {
    const { failure } = await wecom(t, (range, ...rest) =>
      (range.from === 1000 ? fail : honest)(range, ...rest),
    );
    assert.equal((await failure()).code, code, name);
  }
});

test('all ranges together have one timeout', async (t) => {
  const { failure } = await wecom(
    t,
    (range, ...rest) => void setTimeout(() => honest(range, ...rest), range.from === 0 ? 0 : 150),
    { totalTimeoutMs: 250 },
  );
  assert.equal((await failure()).code, 'timeout');
});

test('the errcode for ranges is an ordinary errcode for official accounts', async (t) => {
  const server = await startHttpServer(t, (_request, response) => response.end('{"errcode":830002}'));
  const downloader = createDownloader({
    baseUrl: server.url,
    allowHosts: [],
    idleTimeoutMs: 2_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    log: { warn: () => {} } as unknown as DownloaderOptions['log'],
  });
  t.after(() => downloader.close());
  const opening = downloader.open({ account: account(), token: 'T', mediaId: 'm', kind: 'image' }, NEVER);
  await assert.rejects(opening, (error: FailureError) => error.failure.errcode === 830002);
  assert.equal(server.requests.length, 1);
});
