/** POST /v1/alerts/test, and /livez for a process that needs a restart. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAlerts } from '../../../../src/app/alerts.ts';
import { livenessResponses } from '../../../../src/server/routes/health.ts';
import { alertSentSchema } from '../../../../src/server/routes/operations/alerts.ts';
import { openServer } from '../../../../src/server/start.ts';
import { openReceiver } from '../../../pipeline/alerts/receiver.ts';
import { KEYS, openTestServer, type TestServer } from '../../setup.ts';

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
