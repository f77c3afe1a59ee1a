/** Previews of hostile files: each gets its reason, and the server goes on meanwhile. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { converterPids, hasProc } from '../../../preview/process/children.ts';
import { amrOf, amrSeconds, hostileAmr, pngClaiming, readWav, slowVoice } from '../../../preview/samples.ts';
import { openTestServer, type TestServer } from '../../setup.ts';
import { AMR, archive, bytesOf, photoOf, picture, preview, problemOf, voice } from './preview-items.ts';

const photo = await photoOf(600, 600);

describe('the preview of a hostile file', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  for (const [name, content, reason] of [
    ['10 MB of AMR', voice(hostileAmr()), 'too_large'],
    ['4 MiB of AMR that claim a day of sound', voice(hostileAmr(4 * 2 ** 20)), 'too_long'],
    ['an AMR of more than ten minutes', voice(amrSeconds(601)), 'too_long'],
    ['an AMR of half a frame', voice(amrOf([Buffer.from([0x3c, 1, 2])])), 'damaged'],
    ['a picture named AMR', voice(photo), 'damaged'],
    [
      'a PNG of 65,000 × 65,000 pixels',
      picture(pngClaiming(65_000, 65_000), 'image/png', 'png'),
      'too_many_pixels',
    ],
    ['an SVG named JPEG', picture(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')), 'damaged'],
    ['a picture of 33 MiB', picture(Buffer.alloc(33 * 2 ** 20, 0xff)), 'too_large'],
  ] as const) {
    it(`that is ${name} is 422 ${reason}`, async () => {
      const id = await archive(s, content);
      assert.deepEqual(await problemOf(await preview(s, id)), [422, 'preview_refused', reason]);
      assert.deepEqual(await problemOf(await preview(s, id)), [422, 'preview_refused', reason], 'again');
    });
  }

  it('delays neither /livez nor a callback while it is converted', async () => {
    const ids = [
      await archive(s, voice(slowVoice(), 'audio/silk', 'silk')),
      await archive(s, voice(Buffer.concat([slowVoice(), Buffer.alloc(2)]), 'audio/silk', 'silk')),
    ];
    let isConverting = true;
    const conversions = Promise.all(ids.map((id) => preview(s, id))).finally(() => {
      isConverting = false;
    });
    let during = 0;
    for (let count = 0; isConverting; count++) {
      const message = `<xml><ToUserName>a</ToUserName><FromUserName>b</FromUserName><CreateTime>${Math.floor(Date.now() / 1_000)}</CreateTime><MsgType>image</MsgType><MediaId>during-${count}</MediaId><MsgId>${count}</MsgId></xml>`;
      // The limits of WeChat for a callback, and of a usual supervisor for /livez.
      const [callback, livez] = await Promise.all([
        s.callback(message, {}).then((response) => response.text()),
        fetch(`${s.url}/livez`, { signal: AbortSignal.timeout(3_000) }),
      ]);
      assert.deepEqual([callback, livez.status], ['success', 200]);
      if (isConverting) during++;
    }
    for (const response of await conversions) assert.ok(readWav(await bytesOf(response)).seconds > 60);
    assert.ok(during > 3, `${during} callbacks during the conversions`);
  });

  it('ends with a problem when its process is killed, and the next preview works', {
    skip: hasProc,
  }, async () => {
    await bytesOf(await preview(s, await archive(s, voice(AMR))));
    const before = new Set(converterPids());
    assert.ok(before.size > 0);
    const id = await archive(s, voice(Buffer.concat([slowVoice(), Buffer.alloc(4)]), 'audio/silk', 'silk'));
    const conversion = preview(s, id);
    // Until the answer comes: the process may not have got the file yet, and another one would be used then.
    const killing = setInterval(() => {
      for (const pid of converterPids()) process.kill(pid, 'SIGKILL');
    }, 100);
    const response = await conversion.finally(() => clearInterval(killing));
    assert.equal(response.headers.get('retry-after'), '2');
    assert.deepEqual(await problemOf(response), [503, 'preview_failed', undefined]);
    assert.ok(readWav(await bytesOf(await preview(s, id))).seconds > 60);
    assert.ok(s.log.some((line) => line.includes('preview: converter failed')));
  });
});
