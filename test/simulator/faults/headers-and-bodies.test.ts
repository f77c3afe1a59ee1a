import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errcodeOf } from '../setup.ts';
import { assertGood, setupFaulty } from './faulty-download.ts';

describe('faults of errcodes', () => {
  it('errcodeAsText, errcodeInBaseResp and errcodeAfterBom send the errcode in their form', async (t) => {
    const plain = await (await setupFaulty(t, { name: 'errcodeAsText', amount: 45011 })).ask();
    assert.equal(plain.headers.get('content-type'), 'text/plain');
    assert.equal(await errcodeOf(plain), 45011);
    const wrapped = await (await setupFaulty(t, { name: 'errcodeInBaseResp', amount: 9001 })).ask();
    assert.equal(((await wrapped.json()) as { base_resp: { errcode: number } }).base_resp.errcode, 9001);
    const { body } = await (await setupFaulty(t, { name: 'errcodeAfterBom', amount: -1 })).raw();
    assert.match(body.toString(), /^\uFEFF\n\{"errcode":-1,/);
  });

  it('errcodeZero sends 0 without a file, tokenExpired 42001 with a valid token', async (t) => {
    assert.equal(await errcodeOf(await (await setupFaulty(t, { name: 'errcodeZero' })).ask()), 0);
    assert.equal(await errcodeOf(await (await setupFaulty(t, { name: 'tokenExpired' })).ask()), 42001);
  });

  it('busyThenInvalid sends -1 as often as set, then 40007', async (t) => {
    const { ask } = await setupFaulty(t, { name: 'busyThenInvalid', amount: 2 });
    const codes = [];
    for (let attempt = 0; attempt < 4; attempt++) codes.push(await errcodeOf(await ask()));
    assert.deepEqual(codes, [-1, -1, 40007, 40007]);
  });
});

describe('faults of bodies', () => {
  it('longBody sends more bytes than its correct length', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'longBody' });
    const { head, body } = await raw();
    assert.match(head, new RegExp(`Content-Length: ${sizeBytes}\r`));
    assert.equal(body.length, sizeBytes + 1000);
  });

  it('lengthTooSmall announces fewer bytes than it sends', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'lengthTooSmall' });
    const { head, body } = await raw();
    assert.match(head, new RegExp(`Content-Length: ${sizeBytes - 1000}\r`));
    assert.equal(body.length, sizeBytes);
  });

  it('resetAtOnce and closedAtOnce send no response', async (t) => {
    const reset = await (await setupFaulty(t, { name: 'resetAtOnce' })).raw();
    assert.deepEqual([reset.head, reset.error], ['', 'ECONNRESET']);
    const closed = await (await setupFaulty(t, { name: 'closedAtOnce' })).raw();
    assert.deepEqual([closed.head, closed.error], ['', undefined]);
  });

  it('cutChunked leaves out the last chunk', async (t) => {
    const { raw, ask } = await setupFaulty(t, { name: 'cutChunked' });
    const { head, body } = await raw();
    assert.match(head, /Transfer-Encoding: chunked/);
    assert.doesNotMatch(head, /Content-Length/);
    assert.notEqual(body.toString('latin1').slice(-5), '0\r\n\r\n');
    await assert.rejects((await ask()).arrayBuffer());
  });

  it('trickle sends the whole file slowly', async (t) => {
    const { ask, sizeBytes } = await setupFaulty(t, { name: 'trickle', amount: 5 });
    const startedAt = performance.now();
    await assertGood(await ask(), sizeBytes);
    assert.ok(performance.now() - startedAt >= 75);
  });

  it('httpStatus sends the status given as amount', async (t) => {
    assert.equal((await (await setupFaulty(t, { name: 'httpStatus', amount: 429 })).ask()).status, 429);
  });
});

describe('faults of headers', () => {
  for (const [name, header, value] of [
    ['noType', 'content-type', null],
    ['oddType', 'content-type', 'text/jpeg'],
    ['videoStream', 'content-type', 'video/mpeg4'],
    ['noBaseName', 'content-disposition', 'attachment; filename=".jpg"'],
    ['silkName', 'content-disposition', 'attachment; filename="1586412345678.silk"'],
    ['noExtension', 'content-disposition', 'attachment; filename="voice"'],
    ['pathTraversalName', 'content-disposition', 'attachment; filename="../../../../tmp/%2e%2e%2fowned.jpg"'],
  ] as const) {
    it(`${name} sends the right bytes with ${header} ${value}`, async (t) => {
      const { ask, sizeBytes } = await setupFaulty(t, { name });
      const response = await ask();
      assert.equal(response.headers.get(header), value);
      await assertGood(response, sizeBytes);
    });
  }

  it('fullWidthName sends the file name as bytes of UTF-8', async (t) => {
    const response = await (await setupFaulty(t, { name: 'fullWidthName' })).ask();
    const value = response.headers.get('content-disposition')!;
    const name = '报告\uFF08终稿\uFF09【二】.jpg';
    assert.equal(Buffer.from(value, 'latin1').toString(), `attachment; filename="${name}"`);
  });

  it('invalidLength sends a length that is not a number', async (t) => {
    const { raw, sizeBytes } = await setupFaulty(t, { name: 'invalidLength' });
    const { head, body } = await raw();
    assert.match(head, /Content-Length: 12abc/);
    assert.equal(body.length, sizeBytes);
  });
});
