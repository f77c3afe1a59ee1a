/** Alerts are sent once for all processes, again after six hours, and once at the end; per process while the catalogue is down. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Catalogue, createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase, type Database } from '../../../src/catalogue/database/database.ts';
import type { Alert } from '../../../src/pipeline/alerts/message.ts';
import { createAlertSender } from '../../../src/pipeline/alerts/sender.ts';
import { createAlertWatch } from '../../../src/pipeline/alerts/watch.ts';
import { createFactGatherer } from '../../../src/pipeline/checks/gather.ts';
import { type CheckCode, checkOf } from '../../../src/pipeline/checks/table.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createHealth } from '../../../src/runtime/health.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createJsonClient } from '../../../src/wechat/http/json-client.ts';
import { backends, lifetimes, SCHEMA, setup as setupCatalogue } from '../../catalogue/backends.ts';
import { eventually } from '../../queue/handled.ts';
import { openReceiver } from './receiver.ts';

const ACCOUNT = 'wx0000000000000001';
const EVERY_MS = 100;
const HOUR_MS = 3_600_000;
const ACCEPTED = { status: 204 };
const counts = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 };

/** The same database behind a connection that can be cut. */
function cuttable(database: Database): { database: Database; line: { isCut: boolean } } {
  const line = { isCut: false };
  const refused = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const through = createDatabase({
    query: async (text, values) => {
      if (line.isCut) throw refused();
      return { rows: await database.query(text, values) } as never;
    },
    connect: async () => {
      throw refused();
    },
  });
  return { database: through, line };
}

async function setup(t: TestContext, open: (typeof backends)[number]['open']) {
  const bundle = await setupCatalogue(t, open);
  if (!bundle) return undefined;
  await bundle.catalogue.accounts.ensure([ACCOUNT]);
  const receiver = await openReceiver(t, [ACCEPTED]);
  const http = createJsonClient({ timeoutMs: 5_000 });
  t.after(() => http.close());
  const offset = { ms: 0 };
  const clock = { ...systemClock, now: () => new Date(Date.now() + offset.ms) };
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const { database, line } = cuttable(bundle.database);
  const catalogue: Catalogue = createCatalogue(database, SCHEMA, lifetimes);
  const queue = { isDown: false };
  const { signal, ...controller } = withSignal(t);

  /** Opens what a process has of its own, with a sender of its own. */
  function process(name: string, options: { downMs?: number; sends?: false } = {}) {
    const health = createHealth(clock.now);
    const all = [{ account: ACCOUNT }] as never[];
    const gather = createFactGatherer({
      catalogue,
      queue: {
        probe: async () => undefined,
        counts: async () => {
          if (queue.isDown) throw new Error('down');
          return counts;
        },
      },
      storeHealth: { check: async () => undefined },
      accounts: { all, find: () => undefined },
      health,
      clock,
      lifetimes,
      process: name,
      log,
      metrics: createMetrics(),
    });
    const sender = createAlertSender(
      { http, clock, log, metrics: createMetrics() },
      { url: `${receiver.url}/hook`, secrets: [] },
    );
    const { downMs = 60_000 } = options;
    const afterMs = (code: CheckCode) =>
      code === 'catalogue_away' ? downMs : Math.min(200, checkOf(code).alertAfterMs ?? 0);
    const watch = createAlertWatch(
      {
        catalogue,
        gather,
        sender: options.sends === false ? undefined : sender,
        naming: { nameOf: (id) => id, publicUrl: undefined },
        clock,
        lifetimes,
        log,
        metrics: createMetrics(),
      },
      { alertsOnCatalogue: true, everyMs: EVERY_MS, afterMs },
    );
    return { ...watch, report: health.setUnhealthy, clear: health.setHealthy };
  }

  const sent = () => receiver.requests.map(({ body }) => body as Alert);
  const states = (kind: string) => sent().flatMap((one) => (one.kind === kind ? [one.state] : []));
  return {
    ...bundle,
    receiver,
    line,
    queue,
    process,
    sent,
    states,
    /** Waits until the alerts of this kind are as expected, and are recorded as sent. */
    until: async (kind: string, expected: readonly string[]) => {
      await eventually(`${kind} ${expected}`, async () => states(kind).length >= expected.length, 60_000);
      assert.deepEqual(states(kind), expected);
      // The robot has the message before the row records it; a clock that jumps in between would end the claim.
      const claimed = () =>
        bundle.database.query(`SELECT 1 FROM ${SCHEMA}.alert WHERE claimed_until IS NOT NULL`);
      await eventually('no claim', async () => (await claimed()).length === 0, 60_000);
    },
    run: (watch: { run(signal: AbortSignal): Promise<void> }) => controller.run(watch.run(signal)),
    signal,
    now: clock.now,
    pass: (ms: number) => {
      offset.ms += ms;
    },
  };
}

function withSignal(t: TestContext) {
  const stopped = new AbortController();
  const running: Promise<void>[] = [];
  t.after(async () => {
    stopped.abort();
    await Promise.all(running);
  });
  return { signal: stopped.signal, run: (work: Promise<void>) => void running.push(work) };
}

const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 } as const;

for (const backend of backends) {
  // Tests without SQL of their own run on one backend: on a busy machine PGlite takes seconds to open.
  const onOne =
    backend.name === 'Postgres'
      ? (name: string, run: (t: TestContext) => Promise<void>): void => void test(name, run)
      : undefined;
  describe(`alerts on ${backend.name}`, { skip: backend.skip }, () => {
    onOne?.(
      'three processes send an alert once, again after six hours, and once when it has ended',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        for (const name of ['a', 'b', 'c']) s.run(s.process(name));
        await s.catalogue.accounts.hold(ACCOUNT, new Date(s.now().getTime() + 30 * HOUR_MS), why, s.now());
        await s.until('account_held', ['begun']);
        s.pass(5.9 * HOUR_MS);
        await wait(EVERY_MS * 8);
        assert.deepEqual(s.states('account_held'), ['begun']);
        s.pass(0.2 * HOUR_MS);
        await s.until('account_held', ['begun', 'continues']);
        await s.catalogue.accounts.endLapsedHold(
          ACCOUNT,
          new Date(s.now().getTime() + 40 * HOUR_MS),
          new Date(s.now().getTime() + 40 * HOUR_MS),
        );
        await s.until('account_held', ['begun', 'continues', 'ended']);
        await wait(EVERY_MS * 8);
        // No process gives events their positions here, which is an alert of its own after so many hours.
        const held = s.sent().filter(({ kind }) => kind === 'account_held');
        assert.equal(held.length, 3);
        const [first] = held;
        assert.deepEqual([first?.account, first?.count], [ACCOUNT, 1]);
        assert.match(first!.sentence, /is held/);
      },
    );

    onOne?.(
      'without an address alerts are recorded when they begin and end, and never sent later',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const silent = s.process('a', { sends: false });
        s.run(silent);
        await s.catalogue.accounts.hold(ACCOUNT, new Date(s.now().getTime() + HOUR_MS), why, s.now());
        const last = async () => (await s.catalogue.alerts.list({}, 1))[0];
        await eventually('a row', async () => (await last())?.kind === 'account_held');
        await s.catalogue.accounts.endLapsedHold(
          ACCOUNT,
          new Date(s.now().getTime() + 2 * HOUR_MS),
          new Date(s.now().getTime() + 2 * HOUR_MS),
        );
        await eventually('its end', async () => (await last())?.endedAt !== undefined);
        const unsent = () =>
          s.database.query(`SELECT FROM ${SCHEMA}.alert WHERE ended_at IS NOT NULL AND end_sent_at IS NULL`);
        await eventually('nothing to send', async () => (await unsent()).length === 0);
        await s.process('b').check(s.signal);
        assert.deepEqual(s.sent(), []);
      },
    );

    test('one of many claims an alert, and the claim of a dead process ends', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      const { alerts } = s.catalogue;
      const condition = { kind: 'queue_away', target: '', since: s.now(), count: 1, detail: {} };
      await Promise.all(Array.from({ length: 5 }, () => alerts.report([condition], s.now())));
      const claim = (holder: string, at: Date) => {
        const until = new Date(at.getTime() + 60_000);
        return alerts.claim(holder, { now: at, until, repeatBefore: new Date(0) }, 10);
      };
      const claims = await Promise.all(Array.from({ length: 5 }, (_, index) => claim(`p${index}`, s.now())));
      assert.equal(claims.flat().length, 1);
      const later = new Date(s.now().getTime() + 61_000);
      assert.equal((await claim('next', later)).length, 1);
    });

    onOne?.('an alert that the robot refused is sent again until it is accepted', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.receiver.respondWith({ status: 403 }, { status: 403 }, ACCEPTED);
      await s.catalogue.accounts.hold(ACCOUNT, new Date(s.now().getTime() + HOUR_MS), why, s.now());
      s.run(s.process('a'));
      await s.until('account_held', ['begun', 'begun', 'begun']);
      await wait(EVERY_MS * 8);
      assert.equal(s.sent().length, 3);
    });

    onOne?.(
      'an alert about one process is sent by the leader, and ends when the process is gone',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const [leader, worker] = [s.process('leader'), s.process('worker')];
        await leader.check(s.signal);
        worker.report('worker_quiet', { count: 2 });
        await worker.check(s.signal);
        assert.equal(s.sent().length, 0);
        s.run(leader);
        await s.until('worker_quiet', ['begun', 'ended']);
        assert.deepEqual([s.sent()[0]?.process, s.sent()[0]?.count], ['worker', 2]);
      },
    );

    onOne?.(
      'while the catalogue is down each process sends its own alert once, and none repeats it afterwards',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const servers = [s.process('server 1'), s.process('server 2')];
        s.line.isCut = true;
        for (const server of servers) server.report('spool_in_use', { count: 7 });
        for (const server of servers) s.run(server);
        await s.until('spool_in_use', ['begun', 'begun']);
        assert.deepEqual(new Set(s.sent().map((one) => one.process)), new Set(['server 1', 'server 2']));
        s.pass(6.1 * HOUR_MS);
        await s.until('spool_in_use', ['begun', 'begun', 'continues', 'continues']);
        s.line.isCut = false;
        await wait(EVERY_MS * 10);
        assert.equal(s.sent().length, 4);
        for (const server of servers) server.clear('spool_in_use');
        await s.until('spool_in_use', ['begun', 'begun', 'continues', 'continues', 'ended', 'ended']);
      },
    );

    onOne?.(
      'an alert that ended while the catalogue was down is ended by the process that sent it',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const server = s.process('server');
        s.line.isCut = true;
        server.report('spool_in_use');
        s.run(server);
        await s.until('spool_in_use', ['begun']);
        server.clear('spool_in_use');
        await s.until('spool_in_use', ['begun', 'ended']);
      },
    );

    onOne?.('an alert is sent for a catalogue that stays down, and when it is back', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.run(s.process('server', { downMs: 100 }));
      s.line.isCut = true;
      await s.until('catalogue_away', ['begun']);
      s.line.isCut = false;
      await s.until('catalogue_away', ['begun', 'ended']);
    });

    onOne?.('an alert is sent for a queue that stays down, and when it is back', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.run(s.process('a'));
      s.queue.isDown = true;
      await s.until('queue_away', ['begun']);
      s.queue.isDown = false;
      await s.until('queue_away', ['begun', 'ended']);
    });

    test('items near their deadline, expired and refused ones are counted, and new arrivals are not', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      const insert = (id: string, row: { status: string; left: number; ageMs: number; failure?: string }) => {
        const expires = new Date(s.now().getTime() + row.left);
        const created = new Date(s.now().getTime() - row.ageMs);
        return s.database.query(
          `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, stage,
             failure, created_at, updated_at)
           VALUES ($1, $2, $1, 'image', $3, $4, $4, $5, $6, $7::jsonb, $3, $8)`,
          [
            id,
            ACCOUNT,
            created,
            expires,
            row.status,
            row.status === 'pending' ? 0 : null,
            row.failure ? JSON.stringify({ code: row.failure, class: 'store' }) : null,
            s.now(),
          ],
        );
      };
      await insert('fresh', { status: 'pending', left: HOUR_MS, ageMs: 60_000 });
      await insert('far', { status: 'pending', left: 7 * HOUR_MS, ageMs: HOUR_MS, failure: 'store_refused' });
      s.run(s.process('a'));
      await s.until('store_refused', ['begun']);
      assert.deepEqual(s.states('at_risk'), []);
      await insert('near', { status: 'pending', left: 2 * HOUR_MS, ageMs: HOUR_MS });
      await insert('late', { status: 'expired', left: -HOUR_MS, ageMs: 80 * HOUR_MS });
      await s.until('at_risk', ['begun']);
      await s.until('expired', ['begun']);
      const of = (kind: string) => s.sent().find((one) => one.kind === kind);
      assert.deepEqual([of('at_risk')?.count, of('expired')?.count, of('store_refused')?.count], [1, 1, 1]);
      assert.match(of('at_risk')!.sentence, /nearest deadline is in (2 h|1\d\d min)/);
    });

    onOne?.(
      'an alert is sent for an account without its usual messages, and when they arrive again',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const daysAgo = (days: number) => new Date(s.now().getTime() - days * 24 * HOUR_MS);
        const day = (days: number) => daysAgo(days).toISOString().slice(0, 10);
        const some = Array.from({ length: 8 }, (_, index) => index + 2);
        await s.catalogue.callbackCounts.add(
          some.map((days) => ({
            account: ACCOUNT,
            day: day(days),
            refused: false,
            what: 'image',
            count: 30,
          })),
          [{ account: ACCOUNT, lastCallbackAt: daysAgo(2) }],
          day(40),
        );
        s.run(s.process('a'));
        await s.until('no_callbacks', ['begun']);
        await s.catalogue.callbackCounts.add([], [{ account: ACCOUNT, lastCallbackAt: s.now() }], day(40));
        await s.until('no_callbacks', ['begun', 'ended']);
      },
    );
  });
}
