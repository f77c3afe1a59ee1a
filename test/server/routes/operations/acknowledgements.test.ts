/** POST /v1/acknowledgements: what is lost stays in sight until an operator acknowledges it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { acknowledgementSchema } from '../../../../src/server/routes/operations/acknowledgements.ts';
import { openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const PATH = '/v1/acknowledgements';
interface Acknowledged {
  items: { account: string; count: number; until: string }[];
}
interface Check {
  code: string;
  count: number;
}

describe('acknowledging', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  /** An item that expired so many days ago. */
  async function createExpired(account: string, days: number): Promise<string> {
    const id = await s.createDead(reference({ account }));
    // By hand, because the clock of the database cannot be set.
    await s.context.database.query(
      `UPDATE wma.media SET status = 'expired', updated_at = now() - $2::integer * interval '1 day' WHERE id = $1`,
      [id, days],
    );
    return id;
  }
  /** The checks as a key sees them. With a bound key they are never of a second ago. */
  const checks = async (key: 'admin' | 'schoolAdmin' = 'schoolAdmin') => {
    const { checks = [] } = await s.json<{ checks?: Check[] }>('/v1/stats', { key });
    return Object.fromEntries(checks.map(({ code, count }) => [code, count]));
  };
  const acknowledge = async (json: object, key: 'admin' | 'schoolAdmin' = 'admin') => {
    const body = await s.json<Acknowledged>(PATH, { key, json });
    acknowledgementSchema.parse(body);
    return body.items.map(({ account, count }) => [account, count]);
  };

  it('ends the warning about what expired, however long ago, and not before', async () => {
    await createExpired(SAFE.account, 40);
    assert.equal((await checks()).lost, 1);
    assert.deepEqual(await acknowledge({ status: 'expired', account: 'school', reason: 'told the school' }), [
      [SAFE.account, 1],
    ]);
    const { lost, expired } = await checks();
    assert.deepEqual([lost, expired], [undefined, undefined]);
    const page = await s.json<{ items: Record<string, unknown>[] }>('/v1/audit-log?action=acknowledge', {
      key: 'schoolRead',
    });
    const { seq: _, at: __, ...entry } = page.items[0]!;
    assert.deepEqual(entry, {
      actor: 'key-3',
      action: 'acknowledge',
      target: SAFE.account,
      accounts: [SAFE.account],
      reason: 'told the school',
      detail: { status: 'expired', count: 1 },
    });
  });

  it('hides nothing that expires afterwards', async () => {
    await createExpired(SAFE.account, 0);
    assert.equal((await checks()).lost, 1);
    assert.equal((await checks()).expired, 1);
    await acknowledge({ status: 'expired' });
    assert.equal((await checks()).lost, undefined);
  });

  it('covers the accounts of a bound key only, and says nothing of others', async () => {
    await createExpired(SAFE.account, 1);
    await createExpired(PLAIN.account, 1);
    assert.deepEqual(await acknowledge({ status: 'expired' }, 'schoolAdmin'), [[SAFE.account, 1]]);
    assert.deepEqual(await acknowledge({ status: 'expired' }), [[PLAIN.account, 1]]);
    await s.json(PATH, { key: 'schoolAdmin', json: { status: 'expired', account: 'shop' } }, 403);
    await s.json(PATH, { key: 'schoolAdmin', json: { status: 'expired', account: PLAIN.account } }, 403);
  });

  it('distinguishes dead letters from what expired', async () => {
    await s.createDead(reference({ account: SAFE.account }));
    assert.deepEqual(await acknowledge({ status: 'expired', account: SAFE.account }), []);
    assert.equal((await checks()).dead_letters, 1);
    assert.deepEqual(await acknowledge({ status: 'dead', account: SAFE.account }), [[SAFE.account, 1]]);
    assert.equal((await checks()).dead_letters, undefined);
  });

  it('changes nothing without the right to', async () => {
    await s.json(PATH, { key: 'write', json: { status: 'dead' } }, 403);
    await s.json(PATH, { json: { status: 'dead' } }, 401);
    for (const json of [
      {},
      { status: 'archived' },
      { status: 'dead', accounts: ['shop'] },
      { status: 'dead', account: '' },
      { status: 'dead', account: 'x'.repeat(129) },
      { status: 'dead', reason: 'x'.repeat(301) },
      { status: ['dead'] },
      [],
    ])
      await s.json(PATH, { key: 'admin', json }, 400);
    await s.json(PATH, { key: 'admin', json: { status: 'dead', reason: 'a\u0000b' } }, 400);
    const hostile = `'; DROP TABLE wma.media; --\u202e`;
    assert.deepEqual(await acknowledge({ status: 'dead', account: hostile, reason: hostile }), []);
  });
});
