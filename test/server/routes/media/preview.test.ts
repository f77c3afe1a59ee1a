/** The preview of an item: what a browser gets, and the reason where there is none. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { parseApiKeys } from '../../../../src/config/api-keys.ts';
import { idOf } from '../../../../src/media.ts';
import { openServer } from '../../../../src/server/start.ts';
import { hertzOf, readWav } from '../../../preview/samples.ts';
import { KEYS, openTestServer, reference, SAFE, type TestServer } from '../../setup.ts';
import {
  AMR,
  AMR_WB,
  archive,
  bytesOf,
  cachedIn,
  type PreviewProblem,
  photoOf,
  picture,
  preview,
  previewAt,
  problemOf,
  SILK,
  voice,
} from './preview-items.ts';

const photo = await photoOf();

describe('a preview', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  for (const [name, content, sampleRate, seconds] of [
    ['AMR', voice(AMR), 8_000, 3],
    ['AMR-WB', voice(AMR_WB, 'audio/amr-wb', 'awb'), 16_000, 2],
    ['SILK', voice(SILK, 'audio/silk', 'silk'), 24_000, 2],
    ['SILK without its first byte', voice(SILK.subarray(1), 'audio/silk', 'silk'), 24_000, 2],
  ] as const) {
    it(`of a voice in ${name} is a WAV of its duration`, async () => {
      const response = await preview(s, await archive(s, content));
      assert.equal(response.headers.get('content-type'), 'audio/wav');
      const wav = readWav(await bytesOf(response));
      assert.equal(wav.sampleRate, sampleRate);
      assert.ok(Math.abs(wav.seconds - seconds) < 0.1, String(wav.seconds));
      if (name.startsWith('SILK')) assert.ok(Math.abs(hertzOf(wav) - 440) < 10);
    });
  }

  it('of a picture is a thumbnail that is much smaller', async () => {
    const response = await preview(s, await archive(s, picture(photo)));
    assert.equal(response.headers.get('content-type'), 'image/webp');
    const thumbnail = await bytesOf(response);
    const { format, width, height } = await sharp(thumbnail).metadata();
    assert.deepEqual([format, width, height], ['webp', 320, 240]);
    assert.ok(thumbnail.length < photo.length / 10, `${thumbnail.length} of ${photo.length}`);
  });

  it('may be shown but not executed, is kept by the browser alone and asked for again', async () => {
    const { headers } = await preview(s, await archive(s, picture(photo)));
    assert.equal(headers.get('cache-control'), 'private, no-cache');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.*sandbox$/);
    assert.equal(headers.get('content-disposition'), 'inline');
  });

  it('has an ETag with which it is asked for again', async () => {
    const id = await archive(s, voice(AMR));
    const tag = (await preview(s, id)).headers.get('etag') ?? '';
    assert.match(tag, /^"[^"]+"$/);
    for (const value of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const response = await preview(s, id, { 'if-none-match': value });
      assert.equal(response.status, 304, value);
      assert.equal(response.headers.get('etag'), tag);
      assert.equal(response.headers.get('cache-control'), 'private, no-cache');
      assert.equal((await response.arrayBuffer()).byteLength, 0);
    }
    assert.equal((await preview(s, id, { 'if-none-match': '"other"' })).status, 200);
    const same = await preview(s, await archive(s, voice(AMR)));
    assert.equal(same.headers.get('etag'), tag, 'the same file has the same preview');
    const other = await preview(s, await archive(s, voice(AMR_WB, 'audio/amr-wb', 'awb')));
    assert.notEqual(other.headers.get('etag'), tag);
  });

  it('is served in ranges, so that players can seek', async () => {
    const id = await archive(s, voice(AMR));
    const whole = await bytesOf(await preview(s, id));
    const last = whole.length - 1;
    for (const [range, start, end] of [
      ['bytes=0-', 0, last],
      ['bytes=100-199', 100, 199],
      ['bytes=-50', last - 49, last],
      [`bytes=${last}-`, last, last],
      ['bytes=100-99999999', 100, last],
      ['bytes=-99999999', 0, last],
    ] as const) {
      const response = await preview(s, id, { range });
      assert.equal(response.status, 206, range);
      assert.equal(response.headers.get('content-range'), `bytes ${start}-${end}/${whole.length}`);
      assert.equal(response.headers.get('accept-ranges'), 'bytes');
      assert.deepEqual(await bytesOf(response), whole.subarray(start, end + 1));
    }
  });

  it('gets 416 with its size for a range beyond its end', async () => {
    const id = await archive(s, voice(AMR));
    const size = (await bytesOf(await preview(s, id))).length;
    for (const range of [`bytes=${size}-`, 'bytes=-0']) {
      const response = await preview(s, id, { range });
      assert.equal(response.headers.get('content-range'), `bytes */${size}`);
      assert.deepEqual(await problemOf(response), [416, 'range_not_satisfiable', undefined]);
    }
  });

  it('is whole for an invalid range, and for a range of another preview', async () => {
    const id = await archive(s, voice(AMR));
    const first = await preview(s, id);
    const size = (await bytesOf(first)).length;
    for (const headers of [
      { range: 'bytes=5-2' },
      { range: 'bytes=0-1,3-4' },
      { range: 'bytes=-' },
      { range: 'lines=0-1' },
      { range: 'bytes=0-9', 'if-range': '"other"' },
      { range: 'bytes=0-9', 'if-range': 'Wed, 21 Oct 2026 07:28:00 GMT' },
    ] as Record<string, string>[]) {
      const response = await preview(s, id, headers);
      assert.deepEqual([response.status, (await bytesOf(response)).length], [200, size]);
    }
    const same = await preview(s, id, {
      range: 'bytes=0-9',
      'if-range': first.headers.get('etag') as string,
    });
    assert.equal((await bytesOf(same)).length, 10);
  });

  it('has its length in the response to HEAD', async () => {
    const id = await archive(s, voice(AMR));
    const head = await preview(s, id, {}, 'HEAD');
    const whole = await bytesOf(await preview(s, id));
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(whole.length)]);
    assert.equal((await head.arrayBuffer()).byteLength, 0);
  });

  it('is converted once, for requests at the same time too, and comes from the cache afterwards', async () => {
    const id = await archive(s, picture(await photoOf(800, 800)));
    const responses = await Promise.all(Array.from({ length: 10 }, () => preview(s, id)));
    const bodies = await Promise.all(responses.map(bytesOf));
    assert.equal(new Set(bodies.map((body) => body.toString('base64'))).size, 1);
    const row = await s.context.catalogue.media.get(id);
    await s.context.store.delete(row?.objectKey as string, AbortSignal.timeout(5_000));
    assert.deepEqual(await bytesOf(await preview(s, id)), bodies[0]);
    assert.equal((await cachedIn(s.folder)).filter((name) => name.startsWith(id)).length, 1);
  });

  it('that its client does not wait for is no error of the server', async () => {
    const id = await archive(s, picture(await photoOf(900, 900)));
    const leaving = new AbortController();
    const response = fetch(`${s.url}/v1/media/${id}/preview`, {
      headers: { authorization: `Bearer ${KEYS.read}` },
      signal: leaving.signal,
    });
    const aborted = response.catch((error: unknown) => error);
    setTimeout(() => leaving.abort(), 5);
    await aborted;
    assert.equal((await preview(s, id)).status, 200);
    assert.equal(s.log.filter((line) => line.includes('request failed')).length, 0);
  });

  it('is only for keys of its account', async () => {
    const own = await s.createArchived(reference({ account: SAFE.account }), voice(AMR));
    const other = await archive(s, voice(AMR));
    assert.equal((await s.call(`/v1/media/${own}/preview`, { key: 'schoolRead' })).status, 200);
    assert.equal((await s.call(`/v1/media/${other}/preview`, { key: 'schoolRead' })).status, 404);
    assert.equal((await s.call(`/v1/media/${own}/preview`)).status, 401);
  });

  it('takes no parameters', async () => {
    const response = await s.call(`/v1/media/${await archive(s, voice(AMR))}/preview?size=64`, {
      key: 'read',
    });
    assert.equal(response.status, 400);
  });

  it('works without a cache, and is converted again then', async () => {
    await writeFile(join(s.folder, 'elsewhere'), 'a file in the place of DATA_DIR');
    const { config } = s.context;
    const context = { ...s.context, config: { ...config, dataFolder: join(s.folder, 'elsewhere') } };
    const keys = parseApiKeys('read:read-secret-0123456789');
    assert.ok('value' in keys);
    const { url } = await openServer(context, { keys: keys.value });
    const id = await archive(s, voice(AMR));
    for (let count = 0; count < 3; count++)
      assert.equal(readWav(await bytesOf(await previewAt(url, id))).seconds, 3);
    assert.equal(s.log.filter((line) => line.includes('preview cache: not usable')).length, 1);
    await rm(join(s.folder, 'elsewhere'));
  });
});

describe('an item without a preview', () => {
  let s: TestServer;
  /** Puts another object in the place of the archived one, as a person with access to the bucket can. */
  const overwrite = async (key: string, body: Buffer) => {
    await s.context.store.put({
      key,
      body: (async function* () {
        yield body;
      })(),
      expect: { lengthBytes: body.length },
      contentType: 'audio/amr',
      contentDisposition: 'inline',
      metadata: {},
      signal: AbortSignal.timeout(5_000),
    });
  };
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  for (const [name, content, reason] of [
    ['mp3', voice(Buffer.from('ID3'), 'audio/mpeg', 'mp3'), 'browser_plays'],
    ['mp4', voice(Buffer.alloc(100), 'video/mp4', 'mp4'), 'video'],
    ['Speex in Ogg', voice(Buffer.from('OggS'), 'audio/ogg', 'spx'), 'speex'],
    ['BMP', picture(Buffer.from('BM'), 'image/bmp', 'bmp'), 'picture_format'],
    ['SVG', picture(Buffer.from('<svg/>'), 'image/svg+xml', 'svg'), 'picture_format'],
    ['PDF', voice(Buffer.from('%PDF'), 'application/pdf', 'pdf'), 'no_preview'],
  ] as const) {
    it(`because its format is ${name} gets 415 with the reason in two languages`, async () => {
      const id = await archive(s, content);
      assert.deepEqual(await problemOf(await preview(s, id)), [415, 'preview_unsupported', reason]);
      const chinese = (await (await preview(s, id, { 'accept-language': 'zh' })).json()) as PreviewProblem;
      assert.match(chinese.reason?.message ?? '', /。$/);
      assert.match(chinese.advice, /原文件/);
    });
  }

  it('because it is the voice of the JS-SDK gets 415 with that reason', async () => {
    const content = voice(Buffer.alloc(700, 0x9e), 'application/octet-stream', 'bin');
    const id = await s.createArchived(reference({ kind: 'voice', variant: 'jssdk' }), content);
    assert.deepEqual(await problemOf(await preview(s, id)), [415, 'preview_unsupported', 'jssdk_speex']);
  });

  it('because its object is another file gets 422, until the object is right again', async () => {
    const id = await archive(s, voice(AMR));
    const key = (await s.context.catalogue.media.get(id))?.objectKey as string;
    const changed = Buffer.from(AMR);
    changed[50] = 0x00;
    for (const body of [changed, AMR.subarray(0, -1), Buffer.concat([AMR, AMR])]) {
      await overwrite(key, body);
      assert.deepEqual(await problemOf(await preview(s, id)), [422, 'preview_refused', 'not_as_archived']);
    }
    await overwrite(key, AMR);
    assert.equal(readWav(await bytesOf(await preview(s, id))).seconds, 3);
  });

  it('because its object is missing gets 404', async () => {
    const id = await archive(s, voice(AMR));
    const row = await s.context.catalogue.media.get(id);
    await s.context.store.delete(row?.objectKey as string, AbortSignal.timeout(5_000));
    assert.deepEqual(await problemOf(await preview(s, id)), [404, 'object_missing', undefined]);
  });

  it('because it is pending gets 202, because it is dead 410', async () => {
    const pending = reference();
    await s.context.accept([pending]);
    const response = await preview(s, idOf(pending.account, pending.mediaId));
    assert.equal(response.status, 202);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    assert.deepEqual(await problemOf(await preview(s, await s.createDead(reference()))), [
      410,
      'media_gone',
      undefined,
    ]);
  });

  it('because there is no such item gets 404', async () => {
    assert.deepEqual(await problemOf(await preview(s, `m_${'0'.repeat(32)}`)), [
      404,
      'media_not_found',
      undefined,
    ]);
  });
});
