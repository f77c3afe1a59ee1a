/** Every check of the list for real: /readyz, doctor, metric, alert and dashboard show it, and no longer after its end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import type { Audience } from '../../../src/pipeline/checks/check.ts';
import { findingsOf } from '../../../src/pipeline/checks/findings.ts';
import { CHECK_CODES, type CheckCode, checkOf } from '../../../src/pipeline/checks/table.ts';
import { createPollLoop } from '../../../src/runtime/poll-loop.ts';
import { STORE_FAILURES, type StoreFailureCode } from '../../../src/store-failures.ts';
import { HEARTBEAT } from '../../catalogue/items.ts';
import { missing } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { ACCOUNT, type CheckServer, openCheckServer, WECOM } from './check-server.ts';

const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS);

interface Case {
  begin: (g: CheckServer) => Promise<unknown>;
  end: (g: CheckServer) => Promise<unknown>;
}

async function insert(
  g: CheckServer,
  id: string,
  row: { status: string; stage?: number; expires: Date; failure?: string },
) {
  await g.query(
    `INSERT INTO wma.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, stage,
       failure, created_at, updated_at)
     VALUES ($1, $2, $1, 'image', $3, $4, $4, $5, $6, $7::jsonb, $3, $8)`,
    [
      id,
      ACCOUNT,
      inHours(-80),
      row.expires,
      row.status,
      row.status === 'pending' ? (row.stage ?? 0) : null,
      row.failure ? JSON.stringify({ code: row.failure, class: 'store' }) : null,
      row.stage === 1 ? inHours(-1 / 60) : new Date(),
    ],
  );
}
const remove = (g: CheckServer, id: string) => g.query('DELETE FROM wma.media WHERE id = $1', [id]);

/** One heartbeat of another process, with the given clock and conditions. */
const beat = (
  g: CheckServer,
  id: string,
  more: { clockAheadMs?: number; conditions?: string[]; isWorker?: boolean } = {},
) =>
  g.context.catalogue.processes.heartbeat(id, {
    ...HEARTBEAT,
    name: `otherhost (${id})`,
    isWorker: more.isWorker ?? false,
    clockAheadMs: more.clockAheadMs,
    conditions: (more.conditions ?? []).map((code) => ({
      code,
      since: new Date(),
      count: 3,
      detail: { words: 'by 4 s' },
    })),
  });
const leave = (g: CheckServer, id: string) => g.context.catalogue.processes.markLeft(id);

/** A condition that another process reports. */
const reportedElsewhere = (code: CheckCode): Case => ({
  begin: (g) => beat(g, code, { conditions: [code] }),
  end: (g) => beat(g, code),
});
const storeResponds = (status: number, code: string): Case => ({
  begin: async (g) => g.storeProxy.refuse(status, code),
  end: async (g) => g.storeProxy.forward(),
});
const mediaRow = (id: string, row: Parameters<typeof insert>[2]): Case => ({
  begin: (g) => insert(g, id, row),
  end: (g) => remove(g, id),
});

async function limitMemory(g: CheckServer, bytes: string): Promise<void> {
  const redis = new Redis(g.redis.url, { maxRetriesPerRequest: 1 });
  await redis.config('SET', 'maxmemory', bytes);
  redis.disconnect();
}

let isLoopBroken = false;
let releaseFeed = () => {};

const CASES: Partial<Record<CheckCode, Case>> = {
  queue_away: { begin: (g) => g.redis.stop(), end: (g) => g.redis.start() },
  // Redis responds to reads and refuses writes.
  queue_refuses: {
    begin: (g) => limitMemory(g, '1'),
    end: (g) => limitMemory(g, '0'),
  },
  // A session of another program holds the lock that events wait for.
  events_delayed: {
    begin: async (g) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const isLocked = Promise.withResolvers<void>();
      releaseFeed = resolve;
      void g.context.database.transaction(async (transaction) => {
        await transaction.query('SELECT FROM wma.event_head FOR UPDATE');
        isLocked.resolve();
        await promise;
      });
      await isLocked.promise;
      await g.query(
        "INSERT INTO wma.event_outbox (type, at, account) VALUES ('account.held', now() - interval '2 min', $1)",
        [ACCOUNT],
      );
    },
    end: async () => releaseFeed(),
  },
  queue_adds_failing: reportedElsewhere('queue_adds_failing'),
  queue_shared: reportedElsewhere('queue_shared'),
  spool_missing: reportedElsewhere('spool_missing'),
  spool_full: reportedElsewhere('spool_full'),
  spool_in_use: reportedElsewhere('spool_in_use'),
  store_clock_skewed: reportedElsewhere('store_clock_skewed'),
  consumer_closed: reportedElsewhere('consumer_closed'),
  worker_quiet: reportedElsewhere('worker_quiet'),
  disk_floor: reportedElsewhere('disk_floor'),
  // The only worker has died, and no dispatcher has claimed the item that is due.
  workers_missing: {
    begin: async (g) => {
      await insert(g, 'due', { status: 'pending', stage: 1, expires: inHours(60) });
      await beat(g, 'worker', { isWorker: true });
      await g.query(
        "UPDATE wma.process SET heartbeat_at = heartbeat_at - interval '30 s' WHERE id = 'worker'",
      );
    },
    end: async (g) => {
      await beat(g, 'worker', { isWorker: true });
      await remove(g, 'due');
    },
  },
  workers_none: {
    begin: (g) => leave(g, 'worker'),
    end: (g) => beat(g, 'worker', { isWorker: true }),
  },
  loop_failing: {
    begin: async ({ context }) => {
      isLoopBroken = true;
      const work = async () => {
        if (isLoopBroken) throw new Error('broken');
      };
      const { log, metrics } = context;
      const loop = createPollLoop({ name: 'test', everyMs: 20, failingAfterMs: 0, log, metrics, work });
      void loop.run(context.shutdown.signal);
    },
    end: async () => {
      isLoopBroken = false;
    },
  },
  clock_skewed: {
    begin: (g) => beat(g, 'p2', { clockAheadMs: 4 * 24 * HOUR_MS }),
    end: (g) => leave(g, 'p2'),
  },
  store_held: {
    begin: async ({ context }) => {
      const { storeHold } = context.catalogue;
      await storeHold.takeProbe('a', new Date(), inHours(1));
      await storeHold.probeFailed('a', inHours(1), { code: 'store_full', class: 'store' }, new Date());
    },
    end: async ({ context }) => {
      await context.catalogue.storeHold.takeProbe('a', inHours(2), inHours(3));
      await context.catalogue.storeHold.probeSucceeded('a', new Date(), new Date());
    },
  },
  store_bucket_missing: storeResponds(404, 'NoSuchBucket'),
  store_key_unknown: storeResponds(403, 'InvalidAccessKeyId'),
  store_secret_wrong: storeResponds(403, 'SignatureDoesNotMatch'),
  store_elsewhere: storeResponds(301, 'PermanentRedirect'),
  store_unavailable: {
    begin: async (g) => g.storeProxy.closeConnections(),
    end: async (g) => g.storeProxy.forward(),
  },
  store_refused: mediaRow('refused', { status: 'pending', expires: inHours(60), failure: 'store_refused' }),
  store_incomplete: {
    begin: async (g) => g.storeProxy.refuse(403, 'AccessDenied'),
    end: async (g) => g.storeProxy.forward(),
  },
  store_limited: {
    begin: async (g) => g.storeProxy.refuse(403, 'AccessDenied', (path) => path.includes('list-type=')),
    end: async (g) => g.storeProxy.forward(),
  },
  account_held: {
    begin: ({ context }) => {
      const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 } as const;
      return context.catalogue.accounts.hold(ACCOUNT, inHours(1), why);
    },
    end: ({ context }) => context.catalogue.accounts.endLapsedHold(ACCOUNT, inHours(2), inHours(2)),
  },
  no_callbacks: {
    begin: async ({ context, query }) => {
      await query('UPDATE wma.account SET last_callback_at = NULL');
      const day = (days: number) =>
        inHours(-24 * days)
          .toISOString()
          .slice(0, 10);
      const counts = [2, 3, 4, 5, 6, 7, 8, 9].map((days) => ({
        account: ACCOUNT,
        day: day(days),
        refused: false,
        what: 'image',
        count: 30,
      }));
      return context.catalogue.callbackCounts.add(
        counts,
        [{ account: ACCOUNT, lastCallbackAt: inHours(-48) }],
        day(40),
      );
    },
    end: ({ context }) =>
      context.catalogue.callbackCounts.add(
        [],
        [{ account: ACCOUNT, lastCallbackAt: new Date() }],
        '2020-01-01',
      ),
  },
  no_callback_yet: {
    begin: (g) => g.query('UPDATE wma.account SET last_callback_at = NULL'),
    end: (g) => g.query('UPDATE wma.account SET last_callback_at = now()'),
  },
  customer_service_unread: {
    begin: (g) =>
      g.query(
        `INSERT INTO wma.kf_cursor (account, open_kfid, read_at, failure, failing_since, failures)
         VALUES ($1, 'wk1', now() - interval '1 day', '{"code": "api_unauthorized", "class": "account"}', now(), 1)`,
        [WECOM],
      ),
    end: (g) => g.query('DELETE FROM wma.kf_cursor'),
  },
  webhook_failing: {
    begin: (g) =>
      g.query(
        `INSERT INTO wma.webhook_endpoint (id, url, secret, position, failing_since, last_failure, created_at, created_by,
           updated_at)
         VALUES ('whe_1', 'https://example.com/?key=x', '{}', 0, now() - interval '2 hours',
           '{"at": "2026-01-01T00:00:00Z", "reason": "timeout"}', now(), 'k', now())`,
      ),
    end: (g) => g.query('DELETE FROM wma.webhook_endpoint'),
  },
  webhook_disabled: {
    begin: (g) =>
      g.query(
        `INSERT INTO wma.webhook_endpoint (id, url, secret, position, disabled_at, disabled_reason, created_at, created_by,
           updated_at)
         VALUES ('whe_2', 'https://example.com/', '{}', 0, now(), 'gone', now(), 'k', now())`,
      ),
    end: (g) => g.query('DELETE FROM wma.webhook_endpoint'),
  },
  at_risk: mediaRow('near', { status: 'pending', expires: inHours(2) }),
  expired: mediaRow('late', { status: 'expired', expires: inHours(-8) }),
  lost: mediaRow('lost', { status: 'expired', expires: inHours(-8) }),
  dead_letters: mediaRow('dead', { status: 'dead', expires: inHours(8), failure: 'too_large' }),
  drift: {
    begin: (g) =>
      g.query(
        `INSERT INTO wma.verification (id, kind, state, options, actor, done, bytes, counts, created_at, updated_at, ended_at)
         VALUES ('v_1', 'verify', 'done', '{}', 'k', 9, 0, '{"missing": 2}', now(), now(), now())`,
      ),
    end: (g) => g.query('DELETE FROM wma.verification'),
  },
};

/** Generated from the table of store failures: the cases above stand for all of them. */
const GENERATED = (Object.keys(STORE_FAILURES) as StoreFailureCode[]).filter(
  (code) => code !== 'clock_skewed',
);
/** Tested in catalogue-unavailable.test.ts: here the catalogue has to work. */
const TESTED_ELSEWHERE: CheckCode[] = ['catalogue_away'];

test('every check of the list has a case here', () => {
  const known = new Set<string>([...Object.keys(CASES), ...GENERATED, ...TESTED_ELSEWHERE]);
  assert.deepEqual(
    CHECK_CODES.filter((code) => !known.has(code)),
    [],
  );
});

test('each failure of the store is found under its own code, and no other', () => {
  for (const code of GENERATED) {
    const store = { ok: false, failure: { code, class: 'store' } } as const;
    const { found } = findingsOf({ now: new Date(), process: 'p', store, storeHold: { hold: undefined } });
    assert.deepEqual(
      found.map((finding) => finding.code),
      [code],
    );
  }
});

/**
 * Codes that are tested at the same time. A group holds at most one state of the store, one of the workers and one of
 * the queue, because these hide each other.
 */
const SEPARATE: CheckCode[][] = [
  ['no_callback_yet', 'queue_away'],
  // The store hold does not depend on the queue.
  ['queue_refuses', 'store_held'],
  ['store_bucket_missing', 'workers_none'],
  ['store_key_unknown', 'workers_missing'],
  // Jobs that cannot be added have the same cause as loops that fail.
  ['store_secret_wrong', 'loop_failing'],
  ['store_elsewhere'],
  ['store_unavailable'],
  ['store_incomplete'],
  ['store_limited'],
];
const GROUPS: CheckCode[][] = [
  (Object.keys(CASES) as CheckCode[]).filter((code) => !SEPARATE.flat().includes(code)),
  ...SEPARATE,
];

const isFor = (code: CheckCode, audience: Audience) => !checkOf(code).except?.includes(audience);
const NOT_SHOWN = { readyz: false, page: false, metric: false };
const expected = (code: CheckCode) => ({
  readyz: isFor(code, 'readyz'),
  page: isFor(code, 'page'),
  // Only the doctor finds these, by writing to the store.
  metric: code !== 'store_incomplete' && code !== 'store_limited',
});

const skip = missing.postgres || missing.redisServer;
test('health, doctor, metric, alert and dashboard show each finding until it ends', {
  skip,
}, async (t) => {
  const g = await openCheckServer(t);
  if (!g) return;
  await g.query('UPDATE wma.account SET last_callback_at = now()');
  await g.checkAlerts();
  const healthy = await g.doctor();
  assert.deepEqual(
    healthy.checks.filter(({ ok }) => !ok),
    [],
  );

  let ended: readonly CheckCode[] = [];
  const isEnded = ({ code }: { code?: string }) => ended.includes(code as CheckCode);
  for (const codes of GROUPS) {
    await t.test(codes.join(', '), async () => {
      for (const code of codes) await CASES[code]!.begin(g);
      await eventually(`shown: ${codes}`, async () => {
        const shown = await g.shown(codes);
        return codes.every((code) => isDeepStrictEqual(shown.get(code), expected(code)));
      }).catch(async (error: Error) => assert.deepEqual(await g.shown(codes), error.message));
      const found = (await g.doctor()).checks;
      assert.deepEqual(found.filter(isEnded), [], 'the doctor no longer shows the group before');
      for (const code of codes) {
        const line = found.find((check) => check.code === code);
        assert.equal(line?.ok, checkOf(code).severity === 'notice', JSON.stringify(found));
        assert.ok(line!.message.length > 10 && line!.advice, JSON.stringify(line));
        if (isFor(code, 'alerts')) await g.alerted(code, 'begun');
        else assert.deepEqual(g.alerts(code), []);
      }
      assert.doesNotMatch(await g.readyz(), /wx0|shop|127\.0\.0\.1|otherhost|HTTP/, 'codes only');

      for (const code of codes) await CASES[code]!.end(g);
      await eventually(`no longer shown: ${codes}`, async () => {
        const shown = await g.shown(codes);
        return codes.every((code) => isDeepStrictEqual(shown.get(code), NOT_SHOWN));
      });
      for (const code of codes) if (isFor(code, 'alerts')) await g.alerted(code, 'ended');
      ended = codes;
    });
  }
  assert.deepEqual((await g.doctor()).checks.filter(isEnded), []);
});
