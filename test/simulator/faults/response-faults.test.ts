import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { activeFault, RESPONSE_FAULTS } from '../../../src/simulator/faults/response-faults.ts';
import { RESPONSE_FAULT_NAMES, type ResponseFault } from '../../../src/simulator/media/media-id.ts';
import { ACCOUNT, setup } from '../setup.ts';
import { assertGood, setupFaulty } from './faulty-download.ts';

describe('response faults', () => {
  it('every name has a fault with a description', () => {
    assert.deepEqual(Object.keys(RESPONSE_FAULTS).sort(), [...RESPONSE_FAULT_NAMES].sort());
    for (const { description } of Object.values(RESPONSE_FAULTS)) assert.ok(description);
  });

  it('a fault ends after its times, and never without times', () => {
    assert.equal(activeFault({ name: 'reset', times: 2 }, 2), 'reset');
    assert.equal(activeFault({ name: 'reset', times: 2 }, 3), 'none');
    assert.equal(activeFault({ name: 'reset' }, 1000), 'reset');
    assert.equal(activeFault(undefined, 1), 'none');
  });

  it('shortBody ends half of the announced length with FIN, as often as set', async (t) => {
    const { raw, ask, sizeBytes } = await setupFaulty(t, { name: 'shortBody', times: 1 });
    const { head, body, error } = await raw();
    assert.match(head, new RegExp(`Content-Length: ${sizeBytes}`));
    assert.equal(body.length, Math.floor(sizeBytes / 2));
    assert.equal(error, undefined);
    await assertGood(await ask(), sizeBytes);
  });

  it('reset ends the connection with RST', async (t) => {
    const { raw } = await setupFaulty(t, { name: 'reset' });
    assert.equal((await raw()).error, 'ECONNRESET');
  });

  it('lengthTooLarge announces more bytes than it sends', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'lengthTooLarge' });
    const { head, body } = await raw();
    assert.match(head, new RegExp(`Content-Length: ${sizeBytes + 1000}`));
    assert.equal(body.length, sizeBytes);
  });

  it('noLength ends the body with the connection', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'noLength' });
    const { head, body } = await raw();
    assert.doesNotMatch(head, /content-length|transfer-encoding/i);
    assert.equal(body.length, sizeBytes);
  });

  it('chunked sends the whole file without a length', async (t) => {
    const { ask, sizeBytes } = await setupFaulty(t, { name: 'chunked' });
    const response = await ask();
    assert.equal(response.headers.get('transfer-encoding'), 'chunked');
    assert.equal(response.headers.get('content-length'), null);
    assert.equal((await response.arrayBuffer()).byteLength, sizeBytes);
  });

  it('stall sends half of the file and then nothing', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'stall', amount: 50 });
    assert.equal((await raw()).body.length, Math.floor(sizeBytes / 2));
  });

  it('slow delays the first byte', async (t) => {
    const { ask, sizeBytes } = await setupFaulty(t, { name: 'slow', amount: 120 });
    const startedAt = performance.now();
    const response = await ask();
    assert.ok(performance.now() - startedAt >= 115);
    await assertGood(response, sizeBytes);
  });

  it('errcode faults send any errcode as JSON, as a string, or with control characters', async (t) => {
    const plain = await setupFaulty(t, { name: 'errcode', amount: 9_001_002 });
    const response = await plain.ask();
    assert.equal(response.headers.get('content-type'), 'application/json; encoding=utf-8');
    assert.equal(((await response.json()) as { errcode: number }).errcode, 9_001_002);
    const quoted = await setupFaulty(t, { name: 'errcodeAsString', amount: 45011 });
    assert.match(await (await quoted.ask()).text(), /^\{"errcode":"45011",/);
    const dirty = await setupFaulty(t, { name: 'errcodeWithControlCharacters', amount: -1 });
    const text = await (await dirty.ask()).text();
    assert.match(text, /\u0001\u000b\n/);
    assert.throws(() => JSON.parse(text));
  });

  it('systemBusy, tokenRefused and invalid send -1, 40001 and 40007', async (t) => {
    for (const [name, errcode] of [
      ['systemBusy', -1],
      ['tokenRefused', 40001],
      ['invalid', 40007],
    ] as const) {
      const { ask } = await setupFaulty(t, { name });
      assert.equal(((await (await ask()).json()) as { errcode: number }).errcode, errcode);
    }
  });

  it('html200, http502 and emptyBody send no file', async (t) => {
    const page = await (await setupFaulty(t, { name: 'html200' })).ask();
    assert.equal(page.status, 200);
    assert.match(await page.text(), /^<!DOCTYPE html>/);
    assert.equal((await (await setupFaulty(t, { name: 'http502' })).ask()).status, 502);
    assert.equal(await (await (await setupFaulty(t, { name: 'emptyBody' })).ask()).text(), '');
  });

  it('gzip compresses a response that must not be', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'gzip' });
    const { head, body } = await raw();
    assert.match(head, /Content-Encoding: gzip/);
    assert.equal(gunzipSync(body).length, sizeBytes);
  });

  it('wrongType, noContentDisposition and oddContentDisposition send the right bytes under wrong headers', async (t) => {
    const type = await setupFaulty(t, { name: 'wrongType' });
    const response = await type.ask();
    assert.equal(response.headers.get('content-type'), 'text/plain');
    await assertGood(response, type.sizeBytes);
    const none = await setupFaulty(t, { name: 'noContentDisposition' });
    assert.equal((await none.ask()).headers.get('content-disposition'), null);
    const odd = await setupFaulty(t, { name: 'oddContentDisposition' });
    const value = (await odd.ask()).headers.get('content-disposition')!;
    assert.match(value, /^attachment; filename\*=utf-8''%E6%B5%8B/);
    assert.equal(Buffer.from(/filename="(.*)"/.exec(value)![1]!, 'latin1').toString(), '测试(一).jpg');
  });

  it('videoUrl gives a link that needs no token, responds 404 at first, and ends', async (t) => {
    const { ask, simulator, mediaId, pass } = await setupFaulty(t, { name: 'videoUrl', amount: 1 }, 'video');
    const response = await ask();
    assert.equal(response.headers.get('content-type'), 'text/plain');
    assert.equal(response.headers.get('content-disposition'), null);
    const { video_url: link } = (await response.json()) as { video_url: string };
    assert.match(
      link,
      /^http:\/\/127\.0\.0\.1:\d+\/vweixinp\.tc\.qq\.com\/1007_[0-9a-f]+\.f10\.mp4\?vkey=[0-9a-f]+&/,
    );
    assert.equal((await fetch(link)).status, 404);
    const video = await fetch(link);
    assert.equal(video.headers.get('content-type'), 'video/mp4');
    await assertGood(video, (await simulator.digestOf(ACCOUNT.account, mediaId))!.sizeBytes);
    assert.equal((await fetch(link.replace('vkey=0', 'vkey=1'))).status, 403);
    pass(600_000);
    assert.equal((await fetch(link)).status, 403);
  });

  it('videoUrlEscaped escapes its slashes, and the link of videoUrlHtml is a page', async (t) => {
    const escaped = await setupFaulty(t, { name: 'videoUrlEscaped' }, 'video');
    const text = await (await escaped.ask()).text();
    assert.match(text, /http:\\\/\\\/127/);
    assert.equal((await fetch((JSON.parse(text) as { video_url: string }).video_url)).status, 200);
    const html = await setupFaulty(t, { name: 'videoUrlHtml' }, 'video');
    const { video_url } = (await (await html.ask()).json()) as { video_url: string };
    const page = await fetch(video_url);
    assert.equal(page.status, 200);
    assert.equal(page.headers.get('content-type'), 'text/html');
  });

  it('an account-wide fault applies to every media id, until its times are used up', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const token = await tokenOf();
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    const setFault = (fault?: ResponseFault) =>
      fetch(`${simulator.url}/__simulator/account-wide-fault`, {
        method: 'POST',
        body: JSON.stringify({ account: ACCOUNT.account, fault }),
      });
    const errcodes = async (...mediaIds: string[]) => {
      const found = [];
      for (const id of mediaIds) {
        const response = await get(id, token);
        const isFile = response.headers.get('content-type') === 'audio/amr';
        found.push(isFile ? 'file' : ((await response.json()) as { errcode: number }).errcode);
        if (isFile) await response.arrayBuffer();
      }
      return found;
    };
    await setFault({ name: 'errcode', amount: 45009, times: 2 });
    assert.deepEqual(await errcodes('unknown', mediaId, mediaId, 'unknown'), [45009, 45009, 'file', 40007]);
    await setFault({ name: 'systemBusy' });
    assert.deepEqual(await errcodes(mediaId, mediaId), [-1, -1]);
    await setFault();
    assert.deepEqual(await errcodes(mediaId), ['file']);
  });
});
