import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { RequestLogReport } from '../../src/simulator/http/request-log.ts';
import { ACCOUNT, setup } from './setup.ts';

const HOUR_MS = 3_600_000;
const sha256 = (bytes: ArrayBuffer) => createHash('sha256').update(Buffer.from(bytes)).digest('hex');
const errcodeOf = async (response: Response) => ((await response.json()) as { errcode?: number }).errcode;

describe('media/get of the simulator', () => {
  it('media/get serves a file with the documented headers and the promised digest', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'image', seed: 1 });
    const response = await get(mediaId, await tokenOf());
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    assert.equal(response.headers.get('content-disposition'), `attachment; filename="${mediaId}.jpg"`);
    assert.equal(response.headers.get('cache-control'), 'no-cache, must-revalidate');
    assert.equal(response.headers.get('connection'), 'close');
    const bytes = await response.arrayBuffer();
    assert.equal(response.headers.get('content-length'), String(bytes.byteLength));
    assert.deepEqual(await simulator.digestOf(ACCOUNT.account, mediaId), {
      sha256: sha256(bytes),
      sizeBytes: bytes.byteLength,
    });
    const url = `${simulator.url}/__simulator/digest?account=${ACCOUNT.account}&media_id=${mediaId}`;
    assert.deepEqual(await (await fetch(url)).json(), { sha256: sha256(bytes), sizeBytes: bytes.byteLength });
  });

  it('media/get serves the same bytes after a restart', async (t) => {
    const first = await setup(t);
    const mediaId = first.simulator.mint(ACCOUNT.account, { kind: 'video', seed: 7, sizeBytes: 500_000 });
    const before = await (await first.get(mediaId, await first.tokenOf())).arrayBuffer();
    await first.simulator.close();
    const second = await setup(t);
    const after = await (await second.get(mediaId, await second.tokenOf())).arrayBuffer();
    assert.equal(sha256(after), sha256(before));
  });

  it('media/get serves thirty megabytes to several clients at once', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const token = await tokenOf();
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'video', seed: 2, sizeBytes: 30_000_000 });
    const responses = await Promise.all([1, 2, 3].map(() => get(mediaId, token)));
    const digests = await Promise.all(
      responses.map(async (response) => sha256(await response.arrayBuffer())),
    );
    const expected = (await simulator.digestOf(ACCOUNT.account, mediaId))!.sha256;
    assert.deepEqual(digests, [expected, expected, expected]);
  });

  it('a media id is valid for three days and not a millisecond longer', async (t) => {
    const { simulator, get, tokenOf, pass } = await setup(t, { tokenLifetimeMs: 100 * HOUR_MS });
    const token = await tokenOf();
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    pass(72 * HOUR_MS - 1);
    assert.equal((await get(mediaId, token)).headers.get('content-type'), 'audio/amr');
    pass(1);
    assert.equal(await errcodeOf(await get(mediaId, token)), 40007);
  });

  it('an unknown media id gets 40007, a missing one 41006', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const token = await tokenOf();
    assert.equal(await errcodeOf(await get('A'.repeat(64), token)), 40007);
    assert.equal(await errcodeOf(await get('%00%27%22', token)), 40007);
    assert.equal(await errcodeOf(await get('', token)), 41006);
    assert.deepEqual(simulator.requestLog.report().errcodes, { 40007: 2, 41006: 1 });
  });

  it('a PicUrl serves the picture without a token', async (t) => {
    const { simulator } = await setup(t);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'image', seed: 3 });
    const response = await fetch(simulator.picUrl(mediaId));
    assert.equal(
      sha256(await response.arrayBuffer()),
      (await simulator.digestOf(ACCOUNT.account, mediaId))!.sha256,
    );
    assert.equal((await fetch(simulator.picUrl('A'.repeat(64)))).status, 404);
    const video = simulator.mint(ACCOUNT.account, { kind: 'video', seed: 3 });
    assert.equal((await fetch(simulator.picUrl(video))).status, 404);
  });
});

describe('the simulator', () => {
  it('the request log counts what was sent, requested and served', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const token = await tokenOf();
    const good = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    const busy = simulator.mint(ACCOUNT.account, {
      kind: 'voice',
      seed: 2,
      fault: { name: 'systemBusy', times: 1 },
    });
    let bytes = 0;
    for (const mediaId of [good, busy, busy])
      bytes += (await (await get(mediaId, token)).arrayBuffer()).byteLength;
    const read = async () =>
      (await (await fetch(`${simulator.url}/__simulator/request-log`)).json()) as RequestLogReport;
    let report = await read();
    // The client can have the last byte before the server has counted it.
    for (let polls = 0; report.totals.mediaRequests < 3 && polls < 50; polls++) report = await read();
    const none = {
      account: ACCOUNT.account,
      callbacks: 0,
      requests: 0,
      served: 0,
      refused: 0,
      linked: 0,
      faulty: 0,
    };
    assert.deepEqual(report.media, {
      [good]: { ...none, requests: 1, served: 1 },
      [busy]: { ...none, requests: 2, served: 1, refused: 1 },
    });
    assert.deepEqual(report.errcodes, { '-1': 1 });
    assert.equal(report.totals.mediaRequests, 3);
    assert.equal(report.totals.mediaServed, 2);
    assert.ok(report.totals.bytesServed <= bytes && report.totals.bytesServed > bytes - 200);
  });

  it('an occupied port is named in the error', async (t) => {
    const { simulator } = await setup(t);
    const port = Number(new URL(simulator.url).port);
    await assert.rejects(setup(t, { port }), new RegExp(`port ${port} is taken`));
  });

  it('the simulator closes during a download', async (t) => {
    const { simulator, get, tokenOf } = await setup(t);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'video', seed: 1, fault: { name: 'stall' } });
    const response = await get(mediaId, await tokenOf());
    await simulator.close();
    await assert.rejects(response.arrayBuffer());
  });

  it('invalid requests to admin routes get 400 or 404', async (t) => {
    const { simulator } = await setup(t);
    const post = (path: string, body: unknown) =>
      fetch(`${simulator.url}/__simulator/${path}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal((await post('account-wide-fault', { account: 'wx9' })).status, 400);
    assert.equal((await post('account-wide-fault', 'text')).status, 400);
    const wrong = await post('account-wide-fault', { account: ACCOUNT.account, fault: { name: 'nonsense' } });
    assert.equal(wrong.status, 400);
    assert.equal((await post('nothing', { account: ACCOUNT.account })).status, 404);
    assert.equal((await fetch(`${simulator.url}/elsewhere`)).status, 404);
  });
});
