import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RedriveFilter } from '../../../src/catalogue/redrive/filter.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, setup } from '../backends.ts';
import { at, createDeadLetters, HOUR_MS, NOW } from './dead-letters.ts';

const TOO_LARGE = { code: 'too_large', class: 'permanent_media' } as const;

for (const backend of backends) {
  describe(`the filter of a redrive on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());
    const { all, ask, dead, filterOf, newAccount, statusesOf, workOff } = createDeadLetters(() => bundle);

    it('filters by account, errcode, code, class, kind and both times, and previews what it would take', async () => {
      const [one, other] = [newAccount(), newAccount()];
      await dead(one, { count: 3 });
      await dead(one, { count: 2, failure: TOO_LARGE, kind: 'video' });
      await dead(other, { failure: { code: 'odd', class: 'unknown', errcode: 7 }, sentAt: at(-5 * HOUR_MS) });
      await dead(other, { diedAt: at(5000) });
      const never = { account: one, mediaId: 'msg:1', kind: 'file', sentAt: NOW } as const;
      await bundle.catalogue.media.insert([never], NOW, false);
      const count = async (more: Partial<RedriveFilter>) => {
        const filter: RedriveFilter = { status: ['dead'], account: [one, other], ...more };
        const { matched } = await bundle.catalogue.redrives.preview({ filter }, at(9000));
        const asked = await ask(filter, at(9000));
        assert.equal(asked.matched, matched);
        await bundle.catalogue.redrives.stop(asked.id, 'ops', at(9000));
        return matched;
      };
      const iso = (ms: number) => at(ms).toISOString();
      assert.deepEqual(
        [
          await count({}),
          await count({ account: [one] }),
          await count({ errcode: [40007] }),
          await count({ errcode: [40007, 7] }),
          await count({ code: ['too_large'] }),
          await count({ class: ['unknown'] }),
          await count({ kind: ['video'] }),
          await count({ failedFrom: iso(5000) }),
          await count({ failedTo: iso(5000) }),
          await count({ sentTo: iso(-HOUR_MS) }),
          await count({ sentFrom: iso(-HOUR_MS), kind: ['image'] }),
          await count({ status: ['expired'] }),
        ],
        [7, 5, 4, 5, 2, 1, 2, 1, 6, 1, 4, 0],
      );
      const { groups } = await bundle.catalogue.redrives.preview({ filter: filterOf(one) }, at(9000));
      assert.deepEqual(
        groups.map((group) => [group.code, group.errcode, group.class, group.count]),
        [
          ['invalid_media_id', 40007, 'permanent_media', 3],
          ['too_large', undefined, 'permanent_media', 2],
        ],
      );
    });

    it('of a person redrives what the preview counted, and keeps only the ids, and those until it ends', async () => {
      const account = newAccount();
      const { redrives } = bundle.catalogue;
      const theirs = await dead(account, { count: 30 });
      const others = await dead(account, { count: 3 });
      const expired = await dead(account, { to: 'expired' });
      await bundle.database.query(`UPDATE wma.media SET open_id = 'o-of-one' WHERE id = ANY ($1::text[])`, [
        [...theirs, ...expired],
      ]);
      const request = {
        filter: { ...filterOf(account), notKept: ['openId'] },
        chosen: { openId: 'o-of-one' },
      };
      const { matched, groups } = await redrives.preview(request, at(1000));
      assert.deepEqual([matched, groups.map(({ count }) => count)], [30, [30]]);
      const { id } = await ask(request.filter, at(1000), { chosen: request.chosen });
      assert.deepEqual((await redrives.get(id))?.filter, request.filter);
      const kept = async () =>
        await bundle.database.query<{ n: number | null; text: string }>(
          `SELECT cardinality(items) AS n, to_jsonb(r)::text AS text FROM wma.redrive r WHERE id = $1`,
          [id],
        );
      const [running] = await kept();
      assert.equal(running?.n, 30);
      assert.ok(!running?.text.includes('o-of-one'));
      // An item that the person sends and that dies later is not part of it.
      await bundle.database.query(`UPDATE wma.media SET open_id = 'o-of-one' WHERE id = ANY ($1::text[])`, [
        others,
      ]);
      assert.deepEqual(await workOff(id, at(1000)), [10, 10, 10]);
      assert.deepEqual(await statusesOf(theirs), all(30, 'pending'));
      assert.deepEqual(await statusesOf([...others, ...expired]), ['dead', 'dead', 'dead', 'expired']);
      assert.equal((await kept())[0]?.n, null);
      const stopped = await ask(filterOf(account), at(2000), { chosen: { ids: others } });
      assert.equal(stopped.matched, 3);
      await redrives.stop(stopped.id, 'ops', at(3000));
      const left = `SELECT id FROM wma.redrive WHERE items IS NOT NULL`;
      assert.deepEqual(await bundle.database.query(left), []);
    });

    it('shows a redrive only to keys that may see all of its accounts', async () => {
      const account = newAccount();
      const { id } = await ask(filterOf(account), at(1000));
      const { id: everything } = await ask({ status: ['dead'], code: ['nothing'] }, at(1000));
      const { redrives, auditLog } = bundle.catalogue;
      assert.ok(await redrives.get(id, [account, 'other']));
      assert.equal(await redrives.get(id, ['other']), undefined);
      assert.equal(await redrives.get(everything, [account]), undefined);
      assert.deepEqual(
        (await redrives.list(50, [account])).map((one) => one.id),
        [id],
      );
      assert.deepEqual(
        (await auditLog.list({ accounts: [account] }, 50)).map((one) => one.target),
        [id],
      );
      assert.deepEqual(await auditLog.list({ accounts: ['other'], target: id }, 50), []);
    });
  });
}
