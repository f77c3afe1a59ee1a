/** GET /v1/alerts, POST /v1/alerts/test, and /livez for a process that needs a restart. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAlerts } from '../../../../src/app/alerts.ts';
import { livenessResponses } from '../../../../src/server/routes/health.ts';
import { alertSentSchema, alertsSchema } from '../../../../src/server/routes/operations/alerts.ts';
import { openServer } from '../../../../src/server/start.ts';
import { openReceiver } from '../../../pipeline/alerts/receiver.ts';
import { KEYS, openTestServer, PLAIN, SAFE, type TestServer } from '../../setup.ts';

const SECRET = '0123456789abcdef0123';

describe('the test of alerts', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const post = (url: string, key: keyof typeof KEYS = 'admin') =>
    fetch(`${url}/v1/alerts/test`, { method: 'POST', headers: { authorization: `Bearer ${KEYS[key]}` } });

  it('gets alerts_off without ALERT_URL', async () => {
    const response = await s.call('/v1/alerts/test', { method: 'POST', key: 'admin' });
    assert.deepEqual(
      [response.status, ((await response.json()) as { code: string }).code],
      [409, 'alerts_off'],
    );
  });

  it('sends a message and returns whether it was accepted, only for admins', async (t) => {
    const receiver = await openReceiver(t, [{ status: 200 }]);
    const config = { ...s.context.config, alerts: { url: `${receiver.url}/hook/${SECRET}` } };
    const alerts = createAlerts({ ...s.context, config }, 'server');
    const keys = Object.entries(KEYS).map(([name, secret]) => ({
      name,
      scopes: [name === 'admin' ? 'admin' : 'write'] as ('admin' | 'write')[],
      secret,
    }));
    const { url } = await openServer({ ...s.context, config, alerts }, { keys });

    assert.equal((await post(url, 'write')).status, 403);
    assert.equal(receiver.requests.length, 0);
    const accepted = await post(url);
    const body = await accepted.json();
    alertSentSchema.parse(body);
    assert.deepEqual([accepted.status, body], [200, { sent: true, to: 'json' }]);
    assert.equal((receiver.requests[0]!.body as { state: string }).state, 'test');

    receiver.respondWith({ status: 404 });
    const refused = await post(url);
    const problem = (await refused.json()) as { code: string; detail: string };
    assert.deepEqual(
      [refused.status, problem.code, problem.detail],
      [502, 'alert_not_sent', 'json: HTTP 404'],
    );
    assert.doesNotMatch(JSON.stringify([body, problem, s.log]), new RegExp(SECRET));
  });

  it('is in the audit log, whether the message was accepted or not', async () => {
    const entries = await s.context.catalogue.auditLog.list({ action: 'alert.test' }, 9);
    assert.deepEqual(
      entries.map(({ actor, target, detail }) => [actor, target, detail]),
      [
        ['admin', 'alerts', { to: 'json', sent: false }],
        ['admin', 'alerts', { to: 'json', sent: true }],
      ],
    );
    assert.doesNotMatch(JSON.stringify(entries), new RegExp(SECRET));
  });

  it('a fatal condition makes /livez 503 and the server degraded', async () => {
    s.context.health.setUnhealthy('worker_quiet', { isFatal: true });
    const live = await s.call('/livez');
    const body = await live.json();
    livenessResponses[503].parse(body);
    assert.deepEqual([live.status, body], [503, { status: 'stuck', reasons: ['worker_quiet'] }]);
    const ready = (await (await s.call('/readyz')).json()) as { degraded: string[] };
    assert.ok(ready.degraded.includes('worker_quiet'));
    s.context.health.setHealthy('worker_quiet');
    assert.equal((await s.call('/livez')).status, 200);
  });
});

interface AlertJson {
  id: number;
  code: string;
  target: string;
  since: string;
  endedAt?: string;
  lastSentAt?: string;
  message: string;
  advice: string;
}

describe('the list of alerts', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const list = async (query = '', key: keyof typeof KEYS = 'read', language = 'en') => {
    const headers = { 'accept-language': language };
    const body = await s.json<{ items: AlertJson[]; nextBefore: number | null }>(`/v1/alerts${query}`, {
      key,
      headers,
    });
    alertsSchema.parse(body);
    return body;
  };

  it('has what lasts and what ended, newest first, in the language asked for', async () => {
    const { alerts } = s.context.catalogue;
    const now = new Date();
    const at = (ms: number) => new Date(now.getTime() + ms);
    const held = { kind: 'account_held', count: 1, detail: { code: 'ip_not_allowed', errcode: 40164 } };
    const expired = { kind: 'expired', target: '', since: at(-9_000), count: 3, detail: {} };
    await alerts.report([expired], at(-9_000));
    await alerts.report(
      [{ ...held, target: PLAIN.account, since: at(-8_000), sentAt: at(-8_000) }],
      at(-8_000),
    );
    await alerts.report([{ ...held, target: SAFE.account, since: at(-7_000) }], at(-1_000));
    const quiet = {
      kind: 'worker_quiet',
      target: 'host-of-ours (worker, 7)',
      since: at(-2_000),
      count: 1,
      detail: {},
    };
    await alerts.report([quiet], at(-1_000));
    await alerts.report([{ ...quiet, kind: 'of_a_newer_release' }], at(-1_000));
    await alerts.endUnseen(['expired'], at(-5_000), at(-4_000));
    const { items } = await list();
    assert.deepEqual(
      items.map(({ code, target, endedAt, lastSentAt }) => [code, target, endedAt, lastSentAt]),
      [
        ['of_a_newer_release', quiet.target, undefined, undefined],
        ['worker_quiet', quiet.target, undefined, undefined],
        ['account_held', SAFE.account, undefined, undefined],
        ['account_held', PLAIN.account, undefined, at(-8_000).toISOString()],
        ['expired', '', at(-4_000).toISOString(), undefined],
      ],
    );
    assert.match(items[3]!.message, /^Account shop is held: /);
    assert.match(items[4]!.message, /^3 media items expired/);
    const chinese = await list('', 'read', 'zh');
    assert.match(chinese.items[3]!.message, /^账号 shop 已暂停归档/);
    for (const { message, advice } of chinese.items) assert.match(message + advice, /\p{Script=Han}/u);
  });

  it('is read page by page', async () => {
    const all = (await list()).items.map(({ id }) => id);
    const seen: number[] = [];
    let query = '?limit=2';
    for (;;) {
      const { items, nextBefore } = await list(query);
      seen.push(...items.map(({ id }) => id));
      if (nextBefore === null) break;
      query = `?limit=2&before=${nextBefore}`;
    }
    assert.deepEqual(seen, all);
    for (const bad of [
      'limit=0',
      'limit=201',
      'before=0',
      'before=x',
      'before=99999999999999999999',
      'code=expired',
    ])
      await s.json(`/v1/alerts?${bad}`, { key: 'read' }, 400);
  });

  it('has for a bound key only alerts about its accounts, and no host', async () => {
    const { items } = await list('', 'schoolRead');
    assert.deepEqual(
      items.map(({ code, target }) => [code, target]),
      [['account_held', SAFE.account]],
    );
    await s.json('/v1/alerts', {}, 401);
  });
});
