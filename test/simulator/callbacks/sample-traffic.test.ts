import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import type { Message } from '../../../src/simulator/callbacks/messages.ts';
import {
  pauseBefore,
  randomMessage,
  sendSampleTraffic,
} from '../../../src/simulator/callbacks/sample-traffic.ts';
import { ACCOUNT, setup } from '../setup.ts';

describe('sample traffic', () => {
  it('one seed gives the same messages, of every kind, some of them twice or with a fault', () => {
    const decide = () => {
      const random = createRandom(42);
      return Array.from({ length: 400 }, () => randomMessage('wx1', random));
    };
    const decided = decide();
    assert.deepEqual(decide(), decided);
    const kinds = new Set(decided.map(({ spec }) => spec.kind));
    assert.deepEqual([...kinds].sort(), ['event', 'image', 'shortvideo', 'text', 'video', 'voice']);
    const names = new Set(decided.map(({ spec }) => spec.fault?.name));
    assert.deepEqual(names, new Set([undefined, 'videoUrl', 'shortBody', 'systemBusy']));
    assert.ok(decided.some(({ twice }) => twice));
    const voices = decided.filter(({ spec }) => spec.kind === 'voice').map(({ spec }) => spec.recognition);
    assert.ok(voices.some((sentence) => /[\u4e00-\u9fff]{2}/.test(sentence ?? '')));
    assert.ok(voices.includes(undefined), 'nothing is recognised in some voices');
    assert.ok(new Set(decided.map(({ spec }) => spec.openId)).size > 4);
  });

  it('pauses are short at first and long later', () => {
    assert.ok(pauseBefore(0) < pauseBefore(1000));
  });

  it('messages are sent until the signal aborts, also after one is lost', async (t) => {
    const { simulator, log, clock } = await setup(t);
    const controller = new AbortController();
    const sent: Message[] = [];
    await sendSampleTraffic(
      {
        simulator,
        account: ACCOUNT,
        callbackUrl: 'http://127.0.0.1:1/wechat/x',
        clock: { ...clock, sleep: async (_, signal) => signal?.throwIfAborted() },
        log,
        seed: 7,
        callbacks: {
          send: async (message) => {
            sent.push(message);
            if (sent.length === 25) controller.abort(new Error('closing'));
            return { accepted: sent.length % 2 === 0, statuses: [500, 500, 500] };
          },
        },
      },
      controller.signal,
    );
    assert.equal(sent.length, 25);
    for (const { mediaIds } of sent)
      for (const mediaId of mediaIds) assert.ok(await simulator.digestOf(ACCOUNT.account, mediaId));
  });
});
