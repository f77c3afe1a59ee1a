import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';
import { at, NOW, reference } from '../items.ts';

for (const backend of backends) {
  describe(`reading customer service on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('lets one reader at a time continue a customer-service account from its cursor', async () => {
      const { kfCursors } = catalogue;
      const take = (ms: number, readBefore = -1) =>
        kfCursors.claim(['ww1'], at(ms), at(ms + 1000), at(readBefore));
      const failure = { code: 'network', class: 'transient' } as const;
      await kfCursors.requestRead('ww1', 'wk1', 'ciphertext', NOW);
      assert.equal(await kfCursors.claim(['ww2'], NOW, at(1000), NOW), undefined, 'of another account');
      const first = await take(0);
      const wanted = { account: 'ww1', openKfId: 'wk1', requestedAt: NOW, tokenCiphertext: 'ciphertext' };
      assert.deepEqual(first, { ...wanted, failures: 0 });
      assert.equal(await take(999), undefined, 'another process reads it');
      await kfCursors.markFailed(
        first!,
        failure,
        { until: at(500), ofAccount: false, dropToken: false },
        at(400),
      );
      assert.equal(await take(499), undefined, 'it waits after a failure');
      const second = await take(500);
      assert.deepEqual(second, { ...wanted, failures: 1, failure }, 'the token is kept');
      await kfCursors.markFailed(
        second!,
        failure,
        { until: at(2000), ofAccount: false, dropToken: true },
        at(600),
      );
      const { tokenCiphertext: _, ...untold } = wanted;
      const third = await take(2000);
      assert.deepEqual(third, { ...untold, failures: 2, failure }, 'a token that failed is not');
      assert.deepEqual(await kfCursors.list(['ww1']), [
        { account: 'ww1', openKfId: 'wk1', failure, failingSince: at(400) },
      ]);
      const page = { references: [reference({ account: 'ww1' })], nextCursor: 'c1' };
      assert.equal((await kfCursors.commitPage(third!, page, at(2000)))?.[0]?.created, true);
      assert.equal(await kfCursors.commitPage(third!, page, at(2000)), undefined, 'the cursor has moved');
      assert.deepEqual(await kfCursors.list(['ww1']), [
        { account: 'ww1', openKfId: 'wk1', readAt: at(2000) },
      ]);
      assert.equal(await take(9000), undefined, 'all is read');
      const hourly = await take(9000, 2000);
      assert.deepEqual(
        hourly,
        { account: 'ww1', openKfId: 'wk1', cursor: 'c1', failures: 0 },
        'not for long',
      );
      await kfCursors.release(hourly!);
      await kfCursors.requestRead('ww1', 'wk1', 'newer', at(9000));
      assert.equal((await take(9000))?.cursor, 'c1');
    });

    it('delays all customer-service accounts of an account that is refused, and none because of a wrong clock', async () => {
      const { kfCursors } = catalogue;
      const take = (account: string, ms: number) =>
        kfCursors.claim([account], at(ms), at(ms + 10), at(-1)).then((taken) => taken?.openKfId);
      const refused = { code: 'api_unauthorized', class: 'account', errcode: 48002 } as const;
      for (const openKfId of ['wk1', 'wk2']) await kfCursors.requestRead('ww3', openKfId, 'ciphertext', NOW);
      const one = await kfCursors.claim(['ww3'], NOW, at(10), at(-1));
      await kfCursors.markFailed(
        one!,
        refused,
        { until: at(300_000), ofAccount: true, dropToken: false },
        NOW,
      );
      assert.equal(await take('ww3', 299_999), undefined);
      await kfCursors.retryNow('ww3');
      assert.equal(await take('ww3', 20), one!.openKfId, 'released, the one that failed is claimed');
      assert.equal(await take('ww3', 20), undefined);
      assert.ok(await take('ww3', 300_000));

      await kfCursors.requestRead('ww4', 'wk1', 'ciphertext', NOW);
      const ahead = await kfCursors.claim(['ww4'], at(4 * 86_400_000), at(4 * 86_400_000 + 60_000), NOW);
      assert.equal(ahead?.openKfId, 'wk1', 'by a clock four days ahead');
      assert.equal(await take('ww4', 1), 'wk1', 'it delays no other account');
    });

    it('drops no later token and shortens no other delay after a failed read', async () => {
      const { kfCursors } = catalogue;
      const { account } = reference();
      const second = (n: number) => at(n * 1000);
      const claim = (n: number) => kfCursors.claim([account], second(n), second(n + 10), second(-1e6));
      const busy = { code: 'network', class: 'transient' } as const;
      await kfCursors.requestRead(account, 'wk1', 'older', NOW);
      const first = await claim(1);
      await kfCursors.requestRead(account, 'wk1', 'newer', second(2));
      const dropping = { until: second(20), ofAccount: false, dropToken: true };
      await kfCursors.markFailed(first!, busy, dropping, second(3));
      const again = await claim(20);
      assert.equal(again?.tokenCiphertext, 'newer');
      await kfCursors.requestRead(account, 'wk2', 'token', second(21));
      const other = await claim(21);
      assert.equal(other?.openKfId, 'wk2');
      const longer = { until: second(500), ofAccount: false, dropToken: false };
      await kfCursors.markFailed(other!, busy, longer, second(22));
      const shorter = { until: second(100), ofAccount: true, dropToken: false };
      await kfCursors.markFailed(again!, busy, shorter, second(23));
      assert.equal((await claim(100))?.openKfId, 'wk1');
      assert.equal(await claim(109), undefined, 'the longer delay stays');
      assert.ok(await claim(500));
    });
  });
}
