/** GET /v1/audit-log: what it contains, its filters, and what a key that is bound to accounts sees of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { auditLogSchema } from '../../../../src/server/routes/operations/audit-log.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

interface Entry {
  seq: number;
  at: string;
  actor: string;
  action: string;
  target: string;
  accounts?: string[];
  detail?: Record<string, unknown>;
}

describe('the audit log', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  async function list(query = '', key: keyof typeof KEYS = 'read'): Promise<Entry[]> {
    const body = await s.json<{ items: Entry[] }>(`/v1/audit-log?limit=200${query}`, { key });
    auditLogSchema.parse(body);
    return body.items;
  }
  const latest = async (query = '') => (await list(query))[0]!;
  const signIn = (key: string) =>
    s.call('/login', {
      body: new URLSearchParams({ key }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  it('has every act of an operator, with the name of the key', async () => {
    const admin = { key: 'admin' } as const;
    const dead = await s.createDead(reference());
    const other = await s.createDead(reference());
    await s.json(`/v1/media/${dead}/retry`, { ...admin, method: 'POST' }, 202);
    const redrive = await s.json<{ id: string }>(
      '/v1/redrives',
      { ...admin, json: { filter: { kind: 'image' } } },
      202,
    );
    await s.json(`/v1/redrives/${redrive.id}`, { ...admin, method: 'DELETE' });
    await s.json(`/v1/media/${other}`, { ...admin, method: 'DELETE' });
    await s.json('/v1/accounts/shop/hold', { ...admin, method: 'PUT', json: { reason: 'x' } });
    await s.json('/v1/accounts/shop/hold', { ...admin, method: 'DELETE' });
    const verification = await s.json<{ id: string }>(
      '/v1/verifications',
      { ...admin, json: { sample: 1 } },
      202,
    );
    await s.json(`/v1/verifications/${verification.id}`, { ...admin, method: 'DELETE' });
    await s.json('/v1/stats/recount', { ...admin, method: 'POST' });
    assert.equal((await signIn(KEYS.admin)).status, 303);
    const mine = (await list('&actor=key-3')).map(({ action }) => action);
    for (const action of [
      'redrive',
      'redrive.stop',
      'erase',
      'hold',
      'release',
      'verification.start',
      'verification.stop',
      'recount',
      'login',
    ])
      assert.ok(mine.includes(action), `${action} in ${mine}`);
    const { storeHold } = s.context.catalogue;
    await storeHold.takeProbe('p', new Date(), new Date(Date.now() + 9_000));
    await storeHold.probeFailed(
      'p',
      new Date(Date.now() + 60_000),
      { code: 'store_full', class: 'store' },
      new Date(),
    );
    await s.json('/v1/store/hold', { ...admin, method: 'DELETE' });
    const released = await latest('&target=store');
    await storeHold.takeProbe('p', new Date(Date.now() + 1_000), new Date(Date.now() + 9_000));
    await storeHold.probeSucceeded('p', new Date(), new Date());
    assert.deepEqual([released.actor, released.action, released.accounts], ['key-3', 'release', undefined]);
  });

  it('names who signed in and how, and neither the address nor what was wrong', async () => {
    const ticket = s.server.createLoginLink().split('ticket=')[1];
    assert.equal((await s.call(`/login?ticket=${ticket}`)).status, 303);
    const link = await latest();
    assert.deepEqual(
      [link.actor, link.action, link.target, link.detail],
      ['login link', 'login', 'session', { by: 'link' }],
    );
    assert.equal((await signIn(KEYS.schoolAdmin)).status, 303);
    const key = await latest();
    assert.deepEqual([key.actor, key.accounts, key.detail], ['schoolAdmin', [SAFE.account], { by: 'key' }]);
    assert.equal((await signIn('a wrong key')).status, 401);
    assert.equal((await s.call(`/login?ticket=${ticket}`)).status, 401, 'a link works once');
    assert.equal((await latest()).seq, key.seq, 'failures are counted elsewhere');
    assert.doesNotMatch(JSON.stringify(await list()), /127\.0\.0\.1|::1/);
  });

  it('lets an operator sign in, with a log line, when the entry cannot be written', async () => {
    const { database } = s.context;
    await database.query('ALTER TABLE wma.audit_log RENAME TO audit_log_away');
    try {
      assert.equal((await signIn(KEYS.admin)).status, 303, 'the operator gets in to see what is wrong');
    } finally {
      await database.query('ALTER TABLE wma.audit_log_away RENAME TO audit_log');
    }
    assert.ok(s.log.some((line) => line.includes('audit log: sign-in not written')));
  });

  it('can be filtered by actor, action, target and time, each and together', async () => {
    const all = await list();
    for (const [name, values] of [
      ['actor', all.map(({ actor }) => actor)],
      ['action', all.map(({ action }) => action)],
      ['target', all.map(({ target }) => target)],
    ] as const) {
      for (const value of new Set(values)) {
        const found = await list(`&${name}=${encodeURIComponent(value)}`);
        const expected = all.filter((entry) => entry[name] === value);
        assert.deepEqual(found, expected, `${name} ${value}`);
      }
    }
    const middle = all[Math.floor(all.length / 2)]!.at;
    const since = await list(`&from=${middle}`);
    const until = await list(`&to=${middle}`);
    assert.equal(since.length + until.length, all.length);
    assert.ok(since.every(({ at }) => at >= middle) && until.every(({ at }) => at < middle));
    assert.deepEqual(await list('&from=2099-01-01'), []);
    assert.deepEqual(
      await list('&actor=key-3&action=hold&target=shop'),
      all.filter(
        ({ actor, action, target }) => actor === 'key-3' && action === 'hold' && target === PLAIN.account,
      ),
    );
  });

  it('refuses filters that it does not have', async () => {
    for (const query of [
      'action=drop',
      'action=',
      'actor=',
      'from=yesterday',
      'to=x',
      'accounts=shop',
      'target=%00',
    ])
      assert.ok([400].includes((await s.call(`/v1/audit-log?${query}`, { key: 'read' })).status), query);
    assert.deepEqual(await list(`&actor=${encodeURIComponent(`' OR true --`)}`), []);
  });

  it('shows a bound key what is about its accounts, also when the item is erased, and nothing else', async () => {
    const mine = await s.createDead(reference({ account: SAFE.account }));
    await s.createDead(reference());
    await s.json(`/v1/media/${mine}`, { key: 'admin', method: 'DELETE' });
    const erasure = await s.json<{ id: string }>(
      '/v1/erasures',
      { key: 'admin', json: { account: 'school', ids: [mine], reason: 'a case' } },
      200,
    );
    for (const accounts of [['school'], ['shop'], ['school', 'shop'], undefined])
      await s.json(
        '/v1/redrives',
        { key: 'admin', json: { filter: { kind: 'image', account: accounts } } },
        202,
      );
    const seen = await list('', 'schoolRead');
    assert.ok(seen.some(({ target, action }) => target === mine && action === 'erase'));
    assert.ok(seen.some(({ target }) => target === erasure.id));
    assert.deepEqual([...new Set(seen.flatMap(({ accounts }) => accounts))], [SAFE.account]);
    assert.equal(seen.filter(({ action, actor }) => action === 'redrive' && actor === 'key-3').length, 1);
    assert.deepEqual(await list(`&target=${PLAIN.account}`, 'schoolRead'), []);
  });
});
