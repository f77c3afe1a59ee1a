/** Bull Board shows the queue on every backend, read only. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf, type Reference } from '../../../../src/media.ts';
import { openServer } from '../../../../src/server/start.ts';
import { missing, startRedis } from '../../../machine/services.ts';
import { openBelow, openQueue, PLACES } from '../../../queue/backends.ts';
import { KEYS, openTestServer, PLAIN, type TestServer } from '../../setup.ts';

const REFERENCE: Reference = { account: PLAIN.account, mediaId: 'board', kind: 'image', sentAt: new Date() };

interface BoardJson {
  queues: { name: string; readOnlyMode: boolean; counts: Record<string, number> }[];
}

describe('Bull Board', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  for (const place of PLACES) {
    it(`shows a queue on ${place.name}, read only`, { skip: place.skip }, async (t) => {
      const found = await place.find(t);
      if (!found) return;
      const below = await openBelow(found);
      const queue = await openQueue(below);
      const keys = [{ name: 'k', scopes: ['admin'] as const, secret: KEYS.admin }];
      const { url } = await openServer({ ...s.context, queue }, { keys });
      const call = (path: string, method = 'GET') =>
        fetch(url + path, { method, headers: { authorization: `Bearer ${KEYS.admin}` } });
      try {
        const id = idOf(PLAIN.account, 'board');
        await queue.add([{ id, generation: 1, reference: REFERENCE }]);
        const { queues } = (await (await call('/queues/api/queues')).json()) as BoardJson;
        assert.deepEqual([queues.length, queues[0]?.readOnlyMode, queues[0]?.counts.waiting], [1, true, 1]);
        const name = encodeURIComponent(queues[0]?.name ?? '');
        const job = await call(`/queues/api/queues/${name}/${id}-1`);
        assert.match(await job.text(), /"mediaId":"board"/);
        for (const [method, path] of [
          ['PUT', 'pause'],
          ['PUT', 'obliterate'],
          ['PUT', `${id}-1/clean`],
          ['POST', 'add'],
        ] as const) {
          assert.equal((await call(`/queues/api/queues/${name}/${path}`, method)).status, 405, path);
        }
        assert.equal((await queue.counts()).waiting, 1);
      } finally {
        await queue.close();
        await below.close();
      }
    });
  }

  it('explains on its page that it shows the working set, with a link to the dashboard', async () => {
    const page = async (language: string) => {
      const headers = { authorization: `Bearer ${KEYS.admin}`, 'accept-language': language };
      const html = await (await fetch(`${s.url}/queues`, { headers })).text();
      return /<p id="wma-notice" lang="(\w+)".*?<\/p><\/body>/.exec(html);
    };
    const [english, chinese] = [await page('en'), await page('zh-CN')];
    assert.equal(english?.[1], 'en');
    assert.match(english[0], /not the backlog/);
    assert.equal(chinese?.[1], 'zh');
    assert.match(chinese[0], /不是积压/);
    for (const [notice] of [english, chinese]) assert.match(notice, /<a href="\/"/);
  });

  it('responds 503 within three seconds while the queue is unavailable', {
    skip: missing.redisServer,
  }, async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const below = await openBelow({ kind: 'redis', url: redis.url, prefix: '{down}' });
    const queue = await openQueue(below);
    const keys = [{ name: 'k', scopes: ['admin'] as const, secret: KEYS.admin }];
    const { url } = await openServer({ ...s.context, queue }, { keys });
    const get = (path: string) => fetch(url + path, { headers: { authorization: `Bearer ${KEYS.admin}` } });
    try {
      assert.equal((await get('/queues/api/queues')).status, 200);
      await redis.kill();
      for (const path of ['/queues/api/queues', '/queues/api/redis/stats']) {
        const startedAt = performance.now();
        const response = await get(path);
        assert.match(await response.text(), /the queue does not respond/);
        assert.equal(response.status, 503);
        assert.ok(performance.now() - startedAt < 3_000);
      }
      assert.equal((await get('/queues')).status, 200, 'the page itself still works');
    } finally {
      await queue.close();
      await below.close();
    }
  });
});
