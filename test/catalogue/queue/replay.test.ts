/** What reaches the catalogue late, from a spool, on both databases: any order, any number of times. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../../src/media.ts';
import {
  createEntryWriter,
  type SpoolEntry,
  serializeEntry,
} from '../../../src/pipeline/ingest/spool-entry.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, setup } from '../backends.ts';

const NOON = new Date('2026-05-01T12:00:00Z');
const MINUTE_MS = 60_000;
const at = (minutes: number) => new Date(NOON.getTime() + minutes * MINUTE_MS);

for (const backend of backends) {
  describe(`records of a spool on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    let write: (entries: readonly SpoolEntry[]) => Promise<string[]>;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
      const writer = createEntryWriter({
        catalogue: bundle.catalogue,
        clock: { now: () => at(60) },
        metrics: createMetrics(),
        onAccepted: () => undefined,
      });
      write = (entries) => writer(entries.map(serializeEntry));
    });
    after(() => cleanup.run());

    const media = (mediaId: string, minutes: number, openId?: string): SpoolEntry => ({
      kind: 'media',
      reference: {
        account: 'wx',
        mediaId,
        kind: 'image',
        sentAt: at(minutes),
        ...(openId ? { openId } : {}),
      },
    });

    it('a replayed record makes one row, with the earliest time', async () => {
      for (const minutes of [5, 1, 5, 3]) assert.deepEqual(await write([media('again', minutes)]), []);
      assert.deepEqual(await write([media('again', 4, 'o'), media('again', 2)]), []);
      const row = await bundle.catalogue.media.get(idOf('wx', 'again'));
      assert.deepEqual([row?.sentAt, row?.openId, row?.status], [at(1), 'o', 'pending']);
    });

    it('a replayed record leaves an erased item erased', async () => {
      const id = idOf('wx', 'gone');
      await write([media('gone', 1)]);
      await bundle.catalogue.mediaErasure.erase([id], { actor: 'ops' }, at(2));
      assert.deepEqual(await write([media('gone', 0, 'o')]), []);
      const row = await bundle.catalogue.media.get(id);
      assert.deepEqual([row?.status, row?.openId], ['erased', undefined]);
    });

    it('a replayed ticket never replaces a newer one', async () => {
      const { encryptedSecrets } = bundle.catalogue;
      const ticket = (encrypted: string, minutes: number): SpoolEntry => ({
        kind: 'secret',
        name: 'ticket',
        encrypted,
        at: at(minutes),
      });
      await encryptedSecrets.writeUnlessNewer('ticket', 'direct', at(5));
      await write([ticket('older', 4)]);
      assert.equal(await encryptedSecrets.read('ticket'), 'direct');
      await write([ticket('newer', 6), ticket('between', 5.5)]);
      assert.equal(await encryptedSecrets.read('ticket'), 'newer');
    });

    it('a replayed customer-service callback keeps a newer token, and a running reader notices it', async () => {
      const { kfCursors } = bundle.catalogue;
      const sync = (encryptedToken: string, minutes: number): SpoolEntry => ({
        kind: 'sync',
        account: 'wx',
        openKfId: 'wk',
        encryptedToken,
        at: at(minutes),
      });
      await kfCursors.requestRead('wx', 'wk', 'newer', at(5));
      const wanted = (await kfCursors.claim(['wx'], at(6), at(7), at(0)))!;
      await write([sync('older', 4)]);
      const none = { references: [], nextCursor: 'c1' };
      assert.ok(await kfCursors.commitPage(wanted, none, at(6)));
      const again = await kfCursors.claim(['wx'], at(8), at(9), at(0));
      assert.equal(again?.tokenCiphertext, 'newer');
      assert.ok(await kfCursors.commitPage(again!, { ...none, nextCursor: 'c2' }, at(8)));
      assert.equal(await kfCursors.claim(['wx'], at(20), at(21), at(0)), undefined);
    });
  });
}
