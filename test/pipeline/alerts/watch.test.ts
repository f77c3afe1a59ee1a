/** Once for the whole fleet, again after six hours, once at the end; alone where the catalogue is away. */
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
const TAKEN = { status: 204 };
const counts = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 };

/** The same database behind a line that can be cut. */
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
  const receiver = await openReceiver(t, [TAKEN]);
  const http = createJsonClient({ timeoutMs: 5_000 });
  t.after(() => http.close());
  const offset = { ms: 0 };
  const clock = { ...systemClock, now: () => new Date(Date.now() + offset.ms) };
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const { database, line } = cuttable(bundle.database);
  const catalogue: Catalogue = createCatalogue(database, SCHEMA, lifetimes);
  const queue = { isAway: false };
  const { signal, ...controller } = withSignal(t);

  /** As a process of its own would, with a sender of its own. */
  function process(name: string, options: { awayMs?: number } = {}) {
    const health = createHealth(clock.now);
    const all = [{ account: ACCOUNT }] as never[];
    const gather = createFactGatherer({
      catalogue,
      queue: {
        probe: async () => undefined,
        counts: async () => {
          if (queue.isAway) throw new Error('away');
          return counts;
        },
      },
      storeHealth: { check: async () => undefined },
      accounts: { all, find: () => undefined },
      health,
      clock,
      lifetimes,
      process: name,
    });
    const sender = createAlertSender(
      { http, clock, log, metrics: createMetrics() },
      { url: `${receiver.url}/hook`, secrets: [] },
    );
    const { awayMs = 60_000 } = options;
    const afterMs = (code: CheckCode) =>
      code === 'catalogue_away' ? awayMs : Math.min(200, checkOf(code).alertAfterMs ?? 0);
    const watch = createAlertWatch(
      {
        catalogue,
        gather,
        sender,
        naming: { nameOf: (id) => id, publicUrl: undefined },
        clock,
        lifetimes,
        log,
      },
      { alertsOnCatalogue: true, everyMs: EVERY_MS, afterMs },
    );
    return { ...watch, report: health.setUnhealthy, clear: health.setHealthy };
  }

  const told = () => receiver.requests.map(({ body }) => body as Alert);
  const states = (kind: string) => told().flatMap((one) => (one.kind === kind ? [one.state] : []));
  return {
    ...bundle,
    receiver,
    line,
    queue,
    process,
    told,
    states,
    /** All of them look until what was told of the kind is this, and is recorded as told. */
    until: async (kind: string, expected: readonly string[]) => {
      await eventually(`${kind} ${expected}`, async () => states(kind).length >= expected.length, 60_000);
      assert.deepEqual(states(kind), expected);
      // The robot has it before the row says so; a clock that jumps in between would end the claim.
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
  // What is not SQL is the same on both, and on a busy machine PGlite takes seconds to open.
  const onOne = backend.name === 'Postgres' ? test : undefined;
  describe(`alerts on ${backend.name}`, { skip: backend.skip }, () => {
    onOne?.('three processes say it once, again after six hours, and once that it is over', async (t) => {
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
      await s.catalogue.accounts.endLapsedHold(ACCOUNT, new Date(s.now().getTime() + 40 * HOUR_MS));
      await s.until('account_held', ['begun', 'continues', 'ended']);
      await wait(EVERY_MS * 8);
      assert.equal(s.told().length, 3);
      const [first] = s.told();
      assert.deepEqual([first?.account, first?.count], [ACCOUNT, 1]);
      assert.match(first!.sentence, /is held/);
    });

    test('of many at the same moment one is given an incident, and a dead one leaves it to the next', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      const { alerts: incidents } = s.catalogue;
      const trouble = { kind: 'queue_away', target: '', since: s.now(), count: 1, detail: {} };
      await Promise.all(Array.from({ length: 5 }, () => incidents.report([trouble], s.now())));
      const claim = (holder: string, at: Date) => {
        const until = new Date(at.getTime() + 60_000);
        return incidents.claim(holder, { now: at, until, repeatBefore: new Date(0) }, 10);
      };
      const claims = await Promise.all(Array.from({ length: 5 }, (_, index) => claim(`p${index}`, s.now())));
      assert.equal(claims.flat().length, 1);
      const later = new Date(s.now().getTime() + 61_000);
      assert.equal((await claim('next', later)).length, 1);
    });

    onOne?.('what the robot did not take is said when it does', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.receiver.answer({ status: 403 }, { status: 403 }, TAKEN);
      await s.catalogue.accounts.hold(ACCOUNT, new Date(s.now().getTime() + HOUR_MS), why, s.now());
      s.run(s.process('a'));
      await s.until('account_held', ['begun', 'begun', 'begun']);
      await wait(EVERY_MS * 8);
      assert.equal(s.told().length, 3);
    });

    onOne?.(
      'a trouble of one process is said by the one that looks, and is over when the process is gone',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const [leader, worker] = [s.process('leader'), s.process('worker')];
        await leader.check(s.signal);
        worker.report('worker_quiet', { count: 2 });
        await worker.check(s.signal);
        assert.equal(s.told().length, 0);
        s.run(leader);
        await s.until('worker_quiet', ['begun', 'ended']);
        assert.deepEqual([s.told()[0]?.process, s.told()[0]?.count], ['worker', 2]);
      },
    );

    onOne?.(
      'with the catalogue away each process says its own, once; back again nobody repeats it',
      async (t) => {
        const s = await setup(t, backend.open);
        if (!s) return;
        const servers = [s.process('server 1'), s.process('server 2')];
        s.line.isCut = true;
        for (const server of servers) server.report('spool_in_use', { count: 7 });
        for (const server of servers) s.run(server);
        await s.until('spool_in_use', ['begun', 'begun']);
        assert.deepEqual(new Set(s.told().map((one) => one.process)), new Set(['server 1', 'server 2']));
        s.pass(6.1 * HOUR_MS);
        await s.until('spool_in_use', ['begun', 'begun', 'continues', 'continues']);
        s.line.isCut = false;
        await wait(EVERY_MS * 10);
        assert.equal(s.told().length, 4);
        for (const server of servers) server.clear('spool_in_use');
        await s.until('spool_in_use', ['begun', 'begun', 'continues', 'continues', 'ended', 'ended']);
      },
    );

    onOne?.(
      'a spool that is empty before anybody could agree on it is said to be by who said it',
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

    onOne?.('a catalogue that stays away is said, and that it is back', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.run(s.process('server', { awayMs: 100 }));
      s.line.isCut = true;
      await s.until('catalogue_away', ['begun']);
      s.line.isCut = false;
      await s.until('catalogue_away', ['begun', 'ended']);
    });

    onOne?.('a queue that stays away is said', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      s.run(s.process('a'));
      s.queue.isAway = true;
      await s.until('queue_away', ['begun']);
      s.queue.isAway = false;
      await s.until('queue_away', ['begun', 'ended']);
    });

    test('media near their deadline, expired ones and refused ones are counted, fresh arrivals are not', async (t) => {
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
      const of = (kind: string) => s.told().find((one) => one.kind === kind);
      assert.deepEqual([of('at_risk')?.count, of('expired')?.count, of('store_refused')?.count], [1, 1, 1]);
      assert.match(of('at_risk')!.sentence, /nearest deadline is in (2 h|1\d\d min)/);
    });

    onOne?.('a silent account that used to get messages is said, and that they arrive again', async (t) => {
      const s = await setup(t, backend.open);
      if (!s) return;
      const daysAgo = (days: number) => new Date(s.now().getTime() - days * 24 * HOUR_MS);
      const day = (days: number) => daysAgo(days).toISOString().slice(0, 10);
      const some = Array.from({ length: 8 }, (_, index) => index + 2);
      await s.catalogue.callbackCounts.add(
        some.map((days) => ({ account: ACCOUNT, day: day(days), refused: false, what: 'image', count: 30 })),
        [{ account: ACCOUNT, lastCallbackAt: daysAgo(2) }],
        day(40),
      );
      s.run(s.process('a'));
      await s.until('no_callbacks', ['begun']);
      await s.catalogue.callbackCounts.add([], [{ account: ACCOUNT, lastCallbackAt: s.now() }], day(40));
      await s.until('no_callbacks', ['begun', 'ended']);
    });
  });
}
