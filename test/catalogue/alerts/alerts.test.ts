import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

for (const backend of backends) {
  describe(`alerts on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('an alert that ends after it was claimed is sent once more, by its holder only, and then deleted', async () => {
      const { alerts } = catalogue;
      const target = 'wx1';
      const conditionOf = (kind: string) => ({ kind, target, since: NOW, count: 1, detail: {} });
      const claim = async (holder: string, second: number, repeatBefore = at(-1e6)) =>
        (await alerts.claim(holder, { now: at(second), until: at(second + 60), repeatBefore }, 99))
          .filter((one) => one.target === target)
          .sort((one, other) => (one.kind < other.kind ? -1 : 1));
      const kinds = (all: readonly { kind: string }[]) => all.map(({ kind }) => kind);
      await alerts.report([conditionOf('ends'), conditionOf('lasts')], NOW);
      const lost = await claim('a', 1);
      assert.deepEqual(kinds(lost), ['ends', 'lasts']);
      assert.deepEqual(await claim('b', 60), []);
      assert.equal((await claim('b', 61)).length, 2, 'the claim has lapsed');
      await alerts.markSent('a', lost, at(62));
      assert.deepEqual(await claim('c', 63), [], 'it is no longer for this one to say');
      await alerts.release('b');
      const claimedAlerts = await claim('c', 64);
      assert.deepEqual([claimedAlerts.length, claimedAlerts[0]?.lastSentAt], [2, undefined]);

      await alerts.report([conditionOf('lasts')], at(65));
      await alerts.endUnseen(['ends', 'lasts'], at(65), at(66));
      await alerts.markSent('c', claimedAlerts, at(67));
      const ended = await claim('c', 68);
      assert.deepEqual([kinds(ended), ended[0]?.endedAt], [['ends'], at(66)]);
      await alerts.markSent('c', ended, at(69));
      assert.deepEqual(await claim('c', 70), []);

      await alerts.endUnseen(['ends'], at(1e6), at(71));
      await alerts.deleteEnded(at(1e6));
      const repeated = await claim('c', 72, at(67));
      assert.deepEqual([kinds(repeated), repeated[0]?.endedAt], [['lasts'], undefined]);
      await alerts.markSent('c', repeated, at(73));
      // Another process has sent it already.
      await alerts.report([{ ...conditionOf('lasts'), sentAt: at(90) }], at(90));
      assert.deepEqual(await claim('c', 91, at(80)), []);
      assert.deepEqual(kinds(await claim('c', 91, at(90))), ['lasts']);
    });
  });
}
