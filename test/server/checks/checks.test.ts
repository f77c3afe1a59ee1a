/** Each check of the list, made real: /readyz, doctor, metric, alert and page all say it, and stop when it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import type { Audience } from '../../../src/pipeline/checks/check.ts';
import { findingsOf } from '../../../src/pipeline/checks/findings.ts';
import { CHECK_CODES, type CheckCode, checkOf } from '../../../src/pipeline/checks/table.ts';
import { STORE_FAILURES, type StoreFailureCode } from '../../../src/store-failures.ts';
import { missing } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { ACCOUNT, type Ground, openGround, WECOM } from './check-server.ts';

const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS);

interface Case {
  make: (g: Ground) => Promise<unknown>;
  end: (g: Ground) => Promise<unknown>;
}

async function insert(
  g: Ground,
  id: string,
  row: { status: string; stage?: number; expires: Date; failure?: string },
) {
  await g.query(
    `INSERT INTO wma.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, stage, claimed_at,
       failure, created_at, updated_at)
     VALUES ($1, $2, $1, 'image', $3, $4, $4, $5, $6, $7, $8::jsonb, $3, $9)`,
    [
      id,
      ACCOUNT,
      inHours(-80),
      row.expires,
      row.status,
      row.status === 'pending' ? (row.stage ?? 0) : null,
      row.stage === 2 ? new Date(Date.now() - 61_000) : null,
      row.failure ? JSON.stringify({ code: row.failure, class: 'store' }) : null,
      new Date(),
    ],
  );
}
const remove = (g: Ground, id: string) => g.query('DELETE FROM wma.media WHERE id = $1', [id]);

/** Another process, which beats as told once, and whose clock is off by so much. */
const beat = (
  g: Ground,
  id: string,
  more: { clockAheadMs?: number; conditions?: string[]; isWorker?: boolean } = {},
) =>
  g.parts.catalogue.processes.heartbeat(id, {
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
const leave = (g: Ground, id: string) => g.parts.catalogue.processes.markLeft(id);

/** A condition that a part of some other process reports to its own health. */
const reportedElsewhere = (code: CheckCode): Case => ({
  make: (g) => beat(g, code, { conditions: [code] }),
  end: (g) => beat(g, code),
});
const storeResponds = (status: number, code: string): Case => ({
  make: async (g) => g.gate.refuse(status, code),
  end: async (g) => g.gate.pass(),
});
const mediaRow = (id: string, row: Parameters<typeof insert>[2]): Case => ({
  make: (g) => insert(g, id, row),
  end: (g) => remove(g, id),
});

async function limitMemory(g: Ground, bytes: string): Promise<void> {
  const redis = new Redis(g.redis.url, { maxRetriesPerRequest: 1 });
  await redis.config('SET', 'maxmemory', bytes);
  redis.disconnect();
}

const CASES: Partial<Record<CheckCode, Case>> = {
  queue_away: { make: (g) => g.redis.stop(), end: (g) => g.redis.start() },
  // Redis responds to every read and takes no write.
  queue_refuses: {
    make: (g) => limitMemory(g, '1'),
    end: (g) => limitMemory(g, '0'),
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
  workers_missing: {
    make: (g) => insert(g, 'fed', { status: 'pending', stage: 2, expires: inHours(60) }),
    end: async (g) => {
      await beat(g, 'worker', { isWorker: true });
      await remove(g, 'fed');
    },
  },
  workers_none: {
    make: (g) => leave(g, 'worker'),
    end: (g) => beat(g, 'worker', { isWorker: true }),
  },
  clock_skewed: {
    make: (g) => beat(g, 'p2', { clockAheadMs: 4 * 24 * HOUR_MS }),
    end: (g) => leave(g, 'p2'),
  },
  store_held: {
    make: async ({ parts }) => {
      const { storeHold } = parts.catalogue;
      await storeHold.takeProbe('a', new Date(), inHours(1));
      await storeHold.probeFailed('a', inHours(1), { code: 'store_full', class: 'store' }, new Date());
    },
    end: async ({ parts }) => {
      await parts.catalogue.storeHold.takeProbe('a', inHours(2), inHours(3));
      await parts.catalogue.storeHold.probeSucceeded('a', new Date(), new Date());
    },
  },
  store_bucket_missing: storeResponds(404, 'NoSuchBucket'),
  store_key_unknown: storeResponds(403, 'InvalidAccessKeyId'),
  store_secret_wrong: storeResponds(403, 'SignatureDoesNotMatch'),
  store_elsewhere: storeResponds(301, 'PermanentRedirect'),
  store_unavailable: { make: async (g) => g.gate.cut(), end: async (g) => g.gate.pass() },
  store_refused: mediaRow('refused', { status: 'pending', expires: inHours(60), failure: 'store_refused' }),
  store_incomplete: {
    make: async (g) => g.gate.refuse(403, 'AccessDenied'),
    end: async (g) => g.gate.pass(),
  },
  store_limited: {
    make: async (g) => g.gate.refuse(403, 'AccessDenied', (path) => path.includes('list-type=')),
    end: async (g) => g.gate.pass(),
  },
  account_held: {
    make: ({ parts }) => {
      const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 } as const;
      return parts.catalogue.accounts.hold(ACCOUNT, inHours(1), why);
    },
    end: ({ parts }) => parts.catalogue.accounts.endLapsedHold(ACCOUNT, inHours(2)),
  },
  no_callbacks: {
    make: async ({ parts, query }) => {
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
      return parts.catalogue.callbackCounts.add(
        counts,
        [{ account: ACCOUNT, lastCallbackAt: inHours(-48) }],
        day(40),
      );
    },
    end: ({ parts }) =>
      parts.catalogue.callbackCounts.add(
        [],
        [{ account: ACCOUNT, lastCallbackAt: new Date() }],
        '2020-01-01',
      ),
  },
  no_callback_yet: {
    make: (g) => g.query('UPDATE wma.account SET last_callback_at = NULL'),
    end: (g) => g.query('UPDATE wma.account SET last_callback_at = now()'),
  },
  customer_service_unread: {
    make: (g) =>
      g.query(
        `INSERT INTO wma.kf_cursor (account, open_kfid, read_at, failure, failing_since, failures)
         VALUES ($1, 'wk1', now() - interval '1 day', '{"code": "api_unauthorized", "class": "account"}', now(), 1)`,
        [WECOM],
      ),
    end: (g) => g.query('DELETE FROM wma.kf_cursor'),
  },
  at_risk: mediaRow('near', { status: 'pending', expires: inHours(2) }),
  expired: mediaRow('late', { status: 'expired', expires: inHours(-8) }),
  lost: mediaRow('lost', { status: 'expired', expires: inHours(-8) }),
  dead_letters: mediaRow('dead', { status: 'dead', expires: inHours(8), failure: 'too_large' }),
  drift: {
    make: (g) =>
      g.query(
        `INSERT INTO wma.verification (id, kind, state, options, actor, done, bytes, counts, created_at, updated_at, ended_at)
         VALUES ('v_1', 'verify', 'done', '{}', 'k', 9, 0, '{"missing": 2}', now(), now(), now())`,
      ),
    end: (g) => g.query('DELETE FROM wma.verification'),
  },
};

/** Built by one function from the table of store failures, with its words: those above stand for all of them. */
const ALIKE = (Object.keys(STORE_FAILURES) as StoreFailureCode[]).filter((code) => code !== 'clock_skewed');
/** The catalogue itself: see health.test.ts and alerts/watch.test.ts, for nothing can be asked over this one. */
const ELSEWHERE: CheckCode[] = ['catalogue_away'];

test('every check of the list is made real here', () => {
  const known = new Set<string>([...Object.keys(CASES), ...ALIKE, ...ELSEWHERE]);
  assert.deepEqual(
    CHECK_CODES.filter((code) => !known.has(code)),
    [],
  );
});

test('each failure of the store is found under its own code, and no other', () => {
  for (const code of ALIKE) {
    const store = { ok: false, failure: { code, class: 'store' } } as const;
    const { found } = findingsOf({ now: new Date(), process: 'p', store, storeHold: { hold: undefined } });
    assert.deepEqual(
      found.map((one) => one.code),
      [code],
    );
  }
});

/** At once what does not hide another: what the store responds, or whether workers are alive, is one thing at a time. */
const ALONE: CheckCode[] = [
  'workers_none',
  'store_held',
  'store_bucket_missing',
  'store_key_unknown',
  'store_secret_wrong',
  'store_elsewhere',
  'store_unavailable',
  'store_incomplete',
  'store_limited',
];
const LATER: CheckCode[] = ['no_callback_yet', 'queue_away'];
/** A queue that refuses hides that adding fails: it is the same incident. */
const REFUSING: CheckCode[] = ['queue_refuses'];
const GROUPS: CheckCode[][] = [
  (Object.keys(CASES) as CheckCode[]).filter((code) => ![...ALONE, ...LATER, ...REFUSING].includes(code)),
  LATER,
  REFUSING,
  ...ALONE.map((code) => [code]),
];

const isFor = (code: CheckCode, audience: Audience) => !checkOf(code).except?.includes(audience);
const NOT_TOLD = { readyz: false, page: false, metric: false };
const expected = (code: CheckCode) => ({
  readyz: isFor(code, 'readyz'),
  page: isFor(code, 'page'),
  // Only the doctor examines the store; the metric does not know.
  metric: code !== 'store_incomplete' && code !== 'store_limited',
});

const skip = missing.postgres || missing.redisServer;
test('health, doctor, metric, alert and page all say what is so, and stop when it ends', {
  skip,
}, async (t) => {
  const g = await openGround(t);
  if (!g) return;
  await g.query('UPDATE wma.account SET last_callback_at = now()');
  await g.lookForAlerts();
  const well = await g.doctor();
  assert.deepEqual(
    well.checks.filter(({ ok }) => !ok),
    [],
  );

  for (const codes of GROUPS) {
    await t.test(codes.join(', '), async () => {
      for (const code of codes) await CASES[code]!.make(g);
      await eventually(`told of ${codes}`, async () => {
        const now = await g.told(codes);
        return codes.every((code) => isDeepStrictEqual(now.get(code), expected(code)));
      }).catch(async (error: Error) => assert.deepEqual(await g.told(codes), error.message));
      const { checks } = await g.doctor();
      for (const code of codes) {
        const line = checks.find((one) => one.code === code);
        assert.equal(line?.ok, checkOf(code).severity === 'notice', JSON.stringify(checks));
        assert.ok(line!.message.length > 10 && line!.advice, JSON.stringify(line));
        if (isFor(code, 'alerts')) await g.alerted(code, 'begun');
        else assert.deepEqual(g.alerts(code), []);
      }
      assert.doesNotMatch(await g.readyz(), /wx0|shop|127\.0\.0\.1|otherhost|HTTP/, 'codes only');

      for (const code of codes) await CASES[code]!.end(g);
      await eventually(`over: ${codes}`, async () => {
        const now = await g.told(codes);
        return codes.every((code) => isDeepStrictEqual(now.get(code), NOT_TOLD));
      });
      const left = (await g.doctor()).checks.filter((one) => codes.includes(one.code as CheckCode));
      assert.deepEqual(left, []);
      for (const code of codes) if (isFor(code, 'alerts')) await g.alerted(code, 'ended');
    });
  }
});
