/** Pages, errors and texts in place of a file: for every kind and from every source they are a failure that passes. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { FailureError } from '../../../src/failures.ts';
import { KINDS, type Kind } from '../../../src/media.ts';
import { createDownloader, type DownloaderOptions } from '../../../src/wechat/media/download.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

const NEVER = new AbortController().signal;
const CORP = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
const ATTACHED = { 'content-disposition': 'attachment; filename="report.txt"' };
const PAGE = '<!DOCTYPE html><html><body>504 Gateway Time-out</body></html>';
const utf16 = (text: string, order: 'le' | 'be', mark: boolean): Buffer => {
  const bytes = Buffer.from((mark ? '\uFEFF' : '') + text, 'utf16le');
  return order === 'le' ? bytes : bytes.swap16();
};

/** Bodies that are a file only as an attachment of kind `file`. */
const TEXTS: Readonly<Record<string, string | Buffer>> = {
  'a page': PAGE,
  'a page after white space': `${'\r\n\t '.repeat(200)}${PAGE}`,
  'a page after a byte order mark': `\uFEFF${PAGE}`,
  'a page in UTF-16 with its mark': utf16(PAGE, 'le', true),
  'a page in UTF-16 without a mark': utf16(PAGE, 'be', false),
  'a page with binary bytes in it': Buffer.concat([Buffer.from(PAGE), Buffer.alloc(5_000, '\x00\xff')]),
  'a comment': '<!-- moved -->'.padEnd(200),
  'a declaration of XML': '<?xml version="1.0"?><error>busy</error>',
  'an error that is cut': '{"errcode":40014,"errmsg":"invalid acc',
  'an error that is cut, in UTF-16': utf16('{"errcode":40014,"errmsg":"inv', 'le', true),
  'JSON of no known meaning': '{"message":"upstream unavailable"}',
  'JSON of more than can be parsed': `{"a":"${'x'.repeat(100_000)}"}`,
  'a list of JSON': '[{"errcode":40001}]'.padEnd(100),
  'a quoted text': '"unavailable"',
  'a text': 'upstream connect error or disconnect/reset before headers. reset reason: overflow',
  'a text in Chinese': '系统繁忙，请稍后再试。'.repeat(10),
  'a text in Chinese of GBK': Buffer.from('cfb5cdb3b7b1c3a6'.repeat(20), 'hex'),
  'a text that begins like a bitmap':
    'BM is the wrong service; ask the administrator of this network for access.',
  'a text that begins like MP3':
    'ID3 tags are not supported here, and neither is whatever you have asked for.',
  'a text with the zero of its end':
    'system error: the backend did not answer in time, request 1234567890 failed\0',
  'a long text': 'busy '.repeat(20_000),
  'white space': ' \r\n'.repeat(50),
  'white space of more than is looked at': ' '.repeat(70_000),
  'a handful of bytes': Buffer.from([1, 2, 3, 0xff]),
  'one byte': Buffer.from([0x80]),
  RTF: `{\\rtf1\\ansi ${'text '.repeat(50)}}`,
  'a compressed page': gzipSync(PAGE),
};

function open(t: TestContext, url: string, more: Partial<DownloaderOptions> = {}) {
  const insecure: string[] = [];
  const downloader = createDownloader({
    baseUrl: url,
    wecomBaseUrl: url,
    allowHosts: ['127.0.0.1'],
    idleTimeoutMs: 2_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    rangeBytes: 1_000,
    onInsecureVideo: (who) => insecure.push(who),
    log: { warn: () => {} } as unknown as DownloaderOptions['log'],
    ...more,
  });
  t.after(() => downloader.close());
  return { downloader, insecure };
}

/** The failure by name, or the bytes. */
async function outcome(opening: Promise<{ body: AsyncIterable<Uint8Array>; discard(): void }>) {
  try {
    const media = await opening;
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of media.body) pieces.push(piece);
    } finally {
      media.discard();
    }
    return Buffer.concat(pieces);
  } catch (error) {
    assert.ok(error instanceof FailureError, String(error));
    return `${error.failure.code} ${error.failure.class}`;
  }
}

const NOT_MEDIA = 'body_not_media transient';
const sends =
  (body: string | Buffer, headers: Record<string, string> = {}, status = 200): RequestListener =>
  (_request, response) =>
    response.writeHead(status, headers).end(body);

for (const [name, body] of Object.entries(TEXTS)) {
  test(`${name} is not media of any kind, whatever its Content-Type`, async (t) => {
    for (const type of ['image/jpeg', 'text/plain']) {
      const wechat = await startHttpServer(t, sends(body, { 'content-type': type }));
      const { downloader } = open(t, wechat.url);
      for (const kind of KINDS) {
        const request = { account: CORP, token: 'T', mediaId: 'm', kind };
        assert.equal(await outcome(downloader.open(request, NEVER)), NOT_MEDIA, `${kind} as ${type}`);
      }
    }
  });

  test(`${name} is media as an attachment of kind file, and of no other kind`, async (t) => {
    const wechat = await startHttpServer(t, sends(body, ATTACHED));
    const { downloader } = open(t, wechat.url);
    const get = (kind: Kind) =>
      outcome(downloader.open({ account: CORP, token: 'T', mediaId: 'm', kind }, NEVER));
    assert.deepEqual(await get('file'), Buffer.from(body));
    // Speex frames have no magic number and may be few: only the file name shows what they are.
    if (!/handful|one byte/.test(name)) assert.equal(await get('image'), NOT_MEDIA);
  });

  test(`${name} is not media behind a link, from jssdk, or as a range`, async (t) => {
    let isFirst = true;
    const wechat = await startHttpServer(t, (request, response) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://x');
      const id = searchParams.get('media_id');
      if (id === 'video') return void response.end(`{"video_url":"${wechat.url}/link"}`);
      if (id !== 'pieces' || pathname.includes('jssdk')) return void response.end(body);
      if (!request.headers.range) return void response.end('{"errcode":830002}');
      if (!isFirst) return void response.end(body);
      const size = Buffer.from(body).length;
      response.writeHead(206, { 'content-range': `bytes 0-${Math.min(size, 1000) - 1}/${size}` });
      response.end(Buffer.from(body).subarray(0, 1000));
    });
    const { downloader } = open(t, wechat.url);
    const get = (mediaId: string, kind: Kind, variant?: 'jssdk') =>
      outcome(downloader.open({ account: CORP, token: 'T', mediaId, kind, variant }, NEVER));
    assert.equal(await get('video', 'video'), 'video_link_failed transient');
    assert.equal(await get('voice', 'voice', 'jssdk'), NOT_MEDIA);
    const link = { url: `${wechat.url}/picture`, source: 'pic_url', kind: 'image' } as const;
    assert.equal(await outcome(downloader.openLink(link, NEVER)), NOT_MEDIA);
    // A piece of a page is no page where it is cut inside its first kilobyte of white space.
    assert.equal(await get('pieces', 'file'), NOT_MEDIA, 'as the first piece');
    isFirst = false;
    assert.equal(await get('pieces', 'file'), NOT_MEDIA, 'instead of the first piece');
  });
}

test('a page in place of a later range is not part of the file, whatever its Content-Range', async (t) => {
  const file = Buffer.concat([Buffer.from('%PDF-1.7\n\xe2\xe3'), Buffer.alloc(2_500, '\x01\xfe')]);
  const page = Buffer.from(PAGE.padEnd(1_000));
  for (const asPiece of [true, false]) {
    const wechat = await startHttpServer(t, (request, response) => {
      const [, from] = /^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined) return void response.end('{"errcode":830002}');
      const at = Number(from);
      const piece = file.subarray(at, at + 1_000);
      const range = { 'content-range': `bytes ${at}-${at + piece.length - 1}/${file.length}` };
      if (at !== 1_000) return void response.writeHead(206, { ...range, ...ATTACHED }).end(piece);
      if (asPiece) response.writeHead(206, range).end(page);
      else response.end(page);
    });
    const { downloader } = open(t, wechat.url);
    const request = { account: CORP, token: 'T', mediaId: 'm', kind: 'file' } as const;
    assert.equal(await outcome(downloader.open(request, NEVER)), NOT_MEDIA, String(asPiece));
  }
});

test('an errcode is recognised after any white space, and in an attachment unless the kind is file', async (t) => {
  const errors: [body: string | Buffer, headers: Record<string, string>, kind: Kind][] = [
    [`${' \n'.repeat(3_000)}{"errcode":40007}`, {}, 'image'],
    [utf16('{"errcode":40007,"errmsg":"中文"}', 'le', true), {}, 'voice'],
    [utf16('{"errcode":40007}', 'be', false), {}, 'video'],
    ['{"errcode":40007}\0', {}, 'file'],
    ['{"errcode":40007}', ATTACHED, 'image'],
    ['{"errcode":40007}', { 'content-disposition': 'inline; filename="error.json"' }, 'file'],
  ];
  for (const [body, headers, kind] of errors) {
    const wechat = await startHttpServer(t, sends(body, headers));
    const request = { account: CORP, token: 'T', mediaId: 'm', kind };
    const got = await outcome(open(t, wechat.url).downloader.open(request, NEVER));
    assert.equal(got, 'invalid_media_id permanent_media', String(body).slice(0, 30));
  }
});

test('an errcode after white space is found in chunks of any size', async (t) => {
  const wechat = await startHttpServer(t, async (_request, response) => {
    for (const piece of ['\n', ' '.repeat(5_000), '{"errcode"', ':40007}']) {
      await new Promise<void>((written) => response.write(piece, () => written()));
    }
    response.end();
  });
  const request = { account: CORP, token: 'T', mediaId: 'm', kind: 'file' } as const;
  const got = await outcome(open(t, wechat.url).downloader.open(request, NEVER));
  assert.equal(got, 'invalid_media_id permanent_media');
});

test('JSON with errcode 0 and no file has its own failure code, for a file too', async (t) => {
  const wechat = await startHttpServer(t, sends('{"errcode":0,"errmsg":"ok"}'));
  const request = { account: CORP, token: 'T', mediaId: 'm', kind: 'file' } as const;
  const got = await outcome(open(t, wechat.url).downloader.open(request, NEVER));
  assert.equal(got, 'ok_without_media transient');
});

test('pictures, voices, videos, documents and frames without a magic number are media without a Content-Disposition', async (t) => {
  const noise = (size: number) => Buffer.from(Array.from({ length: size }, (_, at) => (at * 167 + 13) % 256));
  const media: Record<string, Buffer> = {
    jpeg: Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), Buffer.alloc(200, 'j')]),
    'jpeg with printable bytes alone': Buffer.concat([
      Buffer.from('ffd8ffe1', 'hex'),
      Buffer.alloc(5_000, 'j'),
    ]),
    gif: Buffer.concat([Buffer.from('GIF89a'), noise(60)]),
    amr: Buffer.concat([Buffer.from('#!AMR\n'), noise(64)]),
    silk: Buffer.concat([Buffer.from('\x02#!SILK_V3'), noise(64)]),
    mp3: Buffer.concat([Buffer.from('fffb9064', 'hex'), noise(800)]),
    'frames of speex': noise(700),
    'frames that begin like JSON': Buffer.concat([Buffer.from('{\x1b'), noise(700)]),
    pdf: Buffer.concat([Buffer.from('%PDF-1.4\n'), noise(700)]),
    zip: deflateSync(noise(900)),
  };
  for (const [name, bytes] of Object.entries(media)) {
    const wechat = await startHttpServer(t, sends(bytes));
    const { downloader } = open(t, wechat.url);
    for (const kind of KINDS) {
      const got = await outcome(downloader.open({ account: CORP, token: 'T', mediaId: 'm', kind }, NEVER));
      assert.deepEqual(got, bytes, `${name} as ${kind}`);
    }
  }
});

test('a video whose error response is cut is not requested over http', async (t) => {
  const clear = await startHttpServer(t, sends('never'));
  for (const body of [
    '{"errcode":40014,"errmsg":"invalid acc',
    '{"errmsg":"x","errcode":4',
    '{"base_resp":{',
  ]) {
    const wechat = await startHttpServer(t, sends(body));
    const { downloader, insecure } = open(t, wechat.url, { videoBaseUrl: clear.url });
    const request = { account: account(), token: 'T', mediaId: 'm', kind: 'video' } as const;
    assert.equal(await outcome(downloader.open(request, NEVER)), NOT_MEDIA);
    assert.deepEqual(insecure, []);
  }
  assert.equal(clear.requests.length, 0);
});
