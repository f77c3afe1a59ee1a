/** A worker and a sweeper as processes: their responses on METRICS_PORT while Redis goes away and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../machine/server.ts';
import { postgresForTest, startRedis } from '../machine/services.ts';
import { openReceiver } from '../pipeline/alerts/receiver.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, startProgram, until } from './programs.ts';
import { setup } from './wechat.ts';

const ROBOT_KEY = 'robot-key-0123456789abcdef';

test('worker and sweeper report what they lack, and that ALERT_URL is missing, but never its key', async (t) => {
  const [database, redis] = [await postgresForTest(t), await startRedis(t)];
  if (!database || !redis) return;
  const receiver = await openReceiver(t, [{ status: 200 }]);
  const { env: wechat } = await setup(t);
  const s3 = await foreignS3(t);
  const folder = await folderForTest(t);
  const start = async (file: string, alertUrl: string) => {
    const port = await freePort();
    const env = {
      ...wechat,
      ...s3.env,
      ALLOW_EMBEDDED: '',
      DATABASE_URL: database,
      REDIS_URL: redis.url,
      METRICS_PORT: String(port),
      ALERT_URL: alertUrl,
    };
    return { program: startProgram(t, { file, folder, env }), url: `http://127.0.0.1:${port}` };
  };
  const worker = await start('workers/archive.ts', `${receiver.url}/hook?key=${ROBOT_KEY}`);
  const sweeper = await start('workers/sweep.ts', '');
  const programs = [worker, sweeper];
  await sweeper.program.untilOutput(/ALERT_URL is not set/);
  const readyz = async (url: string) => {
    const answer = await fetch(`${url}/readyz`);
    return (await answer.json()) as { degraded: string[]; status: string };
  };
  for (const { url } of programs) {
    await until('ready', async () => (await readyz(url)).status === 'ok');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /^wma_check_failing\{code="queue_away"\} 0$/m);
    assert.equal(/^wma_archived_total/m.test(metrics), url === worker.url, 'only what it counts');
  }
  await redis.stop();
  for (const { url } of programs) {
    const body = await until('not ready', async () => {
      const answer = await readyz(url);
      return answer.degraded.length > 0 && answer;
    });
    assert.ok(body.degraded.includes('queue_away'));
    assert.equal((await fetch(`${url}/livez`)).status, 200);
  }
  await redis.start();
  for (const { url } of programs) await until('ready again', async () => (await readyz(url)).status === 'ok');
  assert.doesNotMatch(worker.program.stderr(), new RegExp(`${ROBOT_KEY}|ALERT_URL is not set`));
  for (const { program } of programs) {
    assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
    assert.doesNotMatch(program.stderr(), /shutdown: step failed/);
  }
});
