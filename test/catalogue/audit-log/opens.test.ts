import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, setup } from '../backends.ts';
import { at, HOUR_MS, NOW } from '../items.ts';

for (const backend of backends) {
  describe(`opened files in the audit log on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());

    it('are one entry for each key, item and hour, however often and from how many processes they come', async () => {
      const { auditLog } = bundle.catalogue;
      const open = (actor: string, target: string, hour = 0) => ({
        actor,
        target,
        account: 'wx1',
        at: at(hour * HOUR_MS),
      });
      const entries = [open('a', 'm_1'), open('b', 'm_1'), open('a', 'm_2'), open('a', 'm_1', 1)];
      // The same entry twice in one statement, too.
      await Promise.all([1, 2, 3].map(() => auditLog.addOpens([...entries, ...entries])));
      const found = await auditLog.list({}, 100);
      assert.deepEqual(
        found
          .map(
            (entry) => `${entry.action} ${entry.actor} ${entry.target} ${entry.at.getTime() - NOW.getTime()}`,
          )
          .toSorted(),
        ['open a m_1 0', `open a m_1 ${HOUR_MS}`, 'open a m_2 0', 'open b m_1 0'],
      );
    });

    it('do not limit other entries about the same item', async () => {
      const { auditLog } = bundle.catalogue;
      const entry = {
        at: NOW,
        actor: 'a',
        action: 'link',
        target: 'm_3',
        accounts: ['wx1'],
        reason: '1d',
      } as const;
      for (const one of [entry, entry]) await auditLog.write(one);
      assert.equal((await auditLog.list({ target: 'm_3' }, 100)).length, 2);
    });

    it('cannot be changed or deleted', async () => {
      for (const statement of ['DELETE FROM wma.audit_log', `UPDATE wma.audit_log SET actor = 'x'`])
        await assert.rejects(bundle.database.query(statement), /never changed/);
    });
  });
}
