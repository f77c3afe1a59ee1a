/**
 * A real Prometheus scrapes the real programs: every expression of the dashboard and of the rules returns data, and the
 * faults that take seconds fire their alerts.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { foreignS3 } from '../end-to-end/foreign-s3.ts';
import { folderForTest, startProgram, until, untilReady } from '../end-to-end/programs.ts';
import { setup } from '../end-to-end/wechat.ts';
import { freePort } from '../machine/server.ts';
import { startPostgres, startRedis } from '../machine/services.ts';
import { openReceiver } from '../pipeline/alerts/receiver.ts';
import { openStoreProxy } from '../server/checks/check-server.ts';
import { startHttpServer } from '../wechat/servers.ts';
import { expressions } from './dashboard-file.ts';
import { startPrometheus } from './prometheus.ts';
import { alerts, codesOf, metricsIn, records } from './rules-file.ts';

const LONG = { timeout: 600_000 };
const PHASE_MS = 120_000;
const WAVE_MS = 4_000;

/** Metrics that have no sample in this run, with the reason. */
const NO_DATA: Readonly<Record<string, string>> = {
  wma_passed_over_total: 'only customer service of WeCom has messages that are skipped',
};
/** Alerts that fire in this run. The others need minutes, a wrong clock, or a part that cannot be taken away here. */
const FIRED = [
  'WmaAccountHeld',
  'WmaApiErrors',
  'WmaAttemptsFailing',
  'WmaBacklogGrowing',
  'WmaBacklogMissesDeadlines',
  'WmaCatalogueUnavailable',
  'WmaDeadLetters',
  'WmaItemsAtRisk',
  'WmaItemsAtRiskRising',
  'WmaItemsExpired',
  'WmaNoWorker',
  'WmaQueueUnavailable',
  'WmaQuotaNearlyUsed',
  'WmaSpoolInUse',
  'WmaStoreHeld',
  'WmaStoreUnavailable',
  'WmaTargetDown',
];

async function openService(t: TestContext) {
  const [postgres, redis] = [await startPostgres(t), await startRedis(t)];
  if (!postgres || !redis) return undefined;
  const wechat = await setup(t);
  const s3 = await foreignS3(t);
  const store = await openStoreProxy(t, s3.env.S3_ENDPOINT);
  const alertReceiver = await openReceiver(t, [{ status: 200 }]);
  const webhooks = await startHttpServer(t, (_request, response) => response.end());
  const upstream = await startHttpServer(t, (_request, response) => response.end('success'));
  const folder = await folderForTest(t);
  const { env } = wechat;
  const account = env.WECHAT_APP_ID;
  await writeFile(
    join(folder, 'accounts.json'),
    JSON.stringify([
      {
        appId: account,
        secret: env.WECHAT_APP_SECRET,
        token: env.WECHAT_TOKEN,
        encodingAesKey: env.WECHAT_ENCODING_AES_KEY,
        upstreamUrl: `${upstream.url}/handler`,
      },
    ]),
  );
  const ports = { worker: await freePort(), sweeper: await freePort() };
  const own = ['WECHAT_APP_ID', 'WECHAT_APP_SECRET', 'WECHAT_TOKEN', 'WECHAT_ENCODING_AES_KEY'];
  const shared = {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !own.includes(name))),
    ...s3.env,
    S3_ENDPOINT: store.endpoint,
    ACCOUNTS_FILE: join(folder, 'accounts.json'),
    ALLOW_EMBEDDED: '',
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    ALERT_URL: alertReceiver.url,
    WEBHOOK_URL: webhooks.url,
    WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
    WEBHOOK_ALLOW_HOSTS: new URL(webhooks.url).host,
    // Quota, holds and deadlines in minutes. Files keep their three days at the simulated WeChat.
    TIME_SCALE: '20',
  };
  const start = (file: string, port?: number) =>
    startProgram(t, { file, folder, env: { ...shared, ...(port ? { METRICS_PORT: `${port}` } : {}) } });
  start('src/server/main.ts');
  start('workers/sweep.ts', ports.sweeper);
  const startWorker = () => start('workers/archive.ts', ports.worker);
  const worker = startWorker();
  await untilReady(wechat.url);
  await worker.untilOutput(/"worker: started"/);

  const key = env.API_KEYS.replace('admin:', '');
  const call = (method: string, path: string, body?: unknown) =>
    fetch(`${wechat.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      signal: AbortSignal.timeout(20_000),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const api = async (method: string, path: string, body?: unknown) => {
    const response = await call(method, path, body);
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  };
  return {
    ...wechat,
    postgres,
    redis,
    store,
    account,
    worker,
    startWorker,
    call,
    api,
    /** Waits for events until the test ends; a program that is away is asked again. */
    readEvents: async (signal: AbortSignal) => {
      for (let after = 'now'; !signal.aborted; ) {
        const response = await call('GET', `/v1/events?after=${after}&wait=5s`).catch(() => undefined);
        const page = response?.ok ? ((await response.json()) as { nextCursor: string }) : undefined;
        if (page) after = page.nextCursor;
        else await wait(500);
      }
    },
    /** Adds references to media ids that WeChat does not know. */
    addUnknown: (count: number, name: string, sentAt?: Date) =>
      api('POST', '/v1/media/batch', {
        items: Array.from({ length: count }, (_, index) => ({
          account,
          mediaId: `${name}-${index}`,
          kind: 'image',
          ...(sentAt ? { sentAt: sentAt.toISOString() } : {}),
        })),
      }),
    faultOfWechat: async (name: string, amount: number) => {
      const response = await fetch(`${env.WECHAT_API_BASE_URL}/__simulator/account-fault`, {
        method: 'POST',
        body: JSON.stringify({ account, name, amount }),
      });
      assert.ok(response.ok, await response.text());
    },
    targets: {
      server: new URL(wechat.url).host,
      others: [`127.0.0.1:${ports.worker}`, `127.0.0.1:${ports.sweeper}`],
      key,
    },
  };
}

/** What the run has to show: an expression each, and where it comes from. */
function expectations(): Map<string, string> {
  const isMissing = (expr: string) => metricsIn(expr).some((name) => name in NO_DATA);
  const wanted = new Map<string, string>();
  for (const { panel, expr } of expressions) if (!isMissing(expr)) wanted.set(expr, `panel ${panel}`);
  for (const { record, expr } of records)
    if (!isMissing(expr)) wanted.set(`${record} == ${record}`, `rule ${record}`);
  for (const rule of alerts) {
    // An alert returns data when it fires; what it reads must always be there.
    for (const code of codesOf(rule))
      wanted.set(`archiver:wma_check_failing:max{code="${code}"}`, `rule ${rule.alert}`);
    for (const metric of metricsIn(rule.expr).filter((name) => !(name in NO_DATA)))
      wanted.set(metric, `rule ${rule.alert}`);
  }
  return wanted;
}

test(
  'every expression of dashboard and rules returns data, and faults fire their alerts',
  LONG,
  async (t) => {
    const service = await openService(t);
    if (!service) return;
    const { store, worker, postgres, redis, account, api, addUnknown, send } = service;
    const prometheus = await startPrometheus(t, await folderForTest(t), service.targets);
    if (!prometheus) return;
    await until('all targets are scraped', async () => (await prometheus.targetsUp()) === 3, PHASE_MS);

    const ending = new AbortController();
    const reading = service.readEvents(ending.signal);
    t.after(async () => {
      ending.abort();
      await reading;
    });

    const wanted = expectations();
    assert.ok(wanted.size > 90, `${wanted.size} expressions`);
    const fired = new Set<string>();
    /** Looks at everything once: what returned a number, and what fires. */
    async function look(): Promise<void> {
      for (const alert of await prometheus!.firing()) {
        fired.add(alert.labels.alertname!);
        assert.equal(alert.labels.archiver ?? prometheus!.archiver, prometheus!.archiver);
        const texts = Object.values(alert.annotations).join('\n');
        assert.doesNotMatch(texts, /error expanding template|<no value>/);
      }
      for (const expr of wanted.keys()) {
        const samples = await prometheus!.query(expr);
        if (samples.some(({ value }) => value[1] !== 'NaN')) wanted.delete(expr);
      }
    }
    const phase = (what: string, names: readonly string[]) =>
      until(
        `${what}: ${names.join(', ')}`,
        async () => {
          await look();
          return names.every((name) => fired.has(name));
        },
        PHASE_MS,
      );

    const over = (name: string) =>
      until(
        `${name} is over`,
        async () => {
          await look();
          return (await prometheus.firing()).every(({ labels }) => labels.alertname !== name);
        },
        PHASE_MS,
      );

    await t.test('archived, dead and expired items, and a preview', async () => {
      const [picture] = await Promise.all([
        send({ kind: 'image', sizeBytes: 20_000 }),
        send({ kind: 'voice' }),
        send({ kind: 'video', fault: { name: 'systemBusy', times: 2 } }),
      ]);
      assert.ok(picture);
      await service.untilArchived(picture);
      await (await service.call('GET', `/v1/media/${picture}/preview`)).arrayBuffer();
      // In waves: Prometheus counts no increase where a series begins, and one wave may end before it is first scraped.
      for (const wave of [1, 2, 3, 4]) {
        await addUnknown(30, `never-existed-${wave}`);
        await wait(WAVE_MS);
      }
      await addUnknown(2, 'long-ago', new Date(Date.now() - 4 * 86_400_000));
      await phase('dead and expired', ['WmaDeadLetters', 'WmaAttemptsFailing', 'WmaItemsExpired']);
    });

    await t.test('a held account whose items come near their deadline', async () => {
      await api('PUT', `/v1/accounts/${account}/hold`, { reason: 'a test of alerts' });
      await addUnknown(500, 'waits', new Date(Date.now() - 3.4 * 3_600_000));
      assert.ok(await send({ kind: 'image' }));
      await phase('held', [
        'WmaAccountHeld',
        'WmaItemsAtRisk',
        'WmaItemsAtRiskRising',
        'WmaBacklogMissesDeadlines',
        'WmaBacklogGrowing',
      ]);
      await api('DELETE', `/v1/accounts/${account}/hold`);
      await over('WmaAccountHeld');
      // Their last attempts look into the store.
      await until('nothing waits', async () => (await prometheus.query('archiver:wma_backlog:max == 0'))[0]);
    });

    await t.test('a store that is away, then refuses', async () => {
      store.closeConnections();
      await phase('away', ['WmaStoreUnavailable']);
      store.refuse(403, 'AccessDenied');
      assert.ok(await send({ kind: 'image' }));
      await phase('held', ['WmaStoreHeld']);
      store.forward();
      await over('WmaStoreHeld');
    });

    await t.test('no worker', async () => {
      await worker.end('SIGKILL');
      assert.ok(await send({ kind: 'image' }));
      await phase('killed', ['WmaNoWorker', 'WmaTargetDown']);
      await service.startWorker().untilOutput(/"worker: started"/);
      await over('WmaNoWorker');
    });

    await t.test('no queue', async () => {
      await redis.stop();
      await phase('stopped', ['WmaQueueUnavailable']);
      await redis.start();
      await over('WmaQueueUnavailable');
    });

    await t.test('no catalogue', async () => {
      await postgres.stop();
      assert.ok(await send({ kind: 'image' }), 'the callback goes into the spool');
      await until('the API says so', async () => (await service.call('GET', '/v1/media')).status === 503);
      await until('API errors', async () => {
        for (let count = 0; count < 40; count++) await (await service.call('GET', '/v1/media')).text();
        await look();
        return fired.has('WmaApiErrors');
      });
      await phase('stopped', ['WmaCatalogueUnavailable', 'WmaSpoolInUse']);
      await postgres.start();
      await over('WmaSpoolInUse');
    });

    await t.test('a quota that is nearly used', async () => {
      await service.faultOfWechat('dayQuota', 5);
      await phase('few calls left', ['WmaQuotaNearlyUsed']);
    });

    await t.test('all of it was seen', async () => {
      await until(
        'every expression returned data',
        async () => {
          assert.ok(await send({ kind: 'image' }));
          await look();
          return wanted.size === 0;
        },
        60_000,
      ).catch((error: Error) => {
        const missing = [...wanted].map(([expr, where]) => `${where}: ${expr}`);
        throw new Error(`${error.message}; without data:\n${missing.join('\n')}`);
      });
      assert.deepEqual(await prometheus.failedRules(), []);
      assert.deepEqual(
        FIRED.filter((name) => !fired.has(name)),
        [],
      );
      t.diagnostic(`fired: ${[...fired].sort().join(', ')}`);
      for (const [metric, why] of Object.entries(NO_DATA))
        assert.deepEqual(
          await prometheus.query(metric),
          [],
          `${metric} has data, though it is listed: ${why}`,
        );
    });
  },
);
