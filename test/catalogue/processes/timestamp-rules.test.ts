/** No hold, lease or planned time that a wrong clock wrote outlives the longest duration of its kind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TIMESTAMPS_WITHOUT_RULE,
  type TimestampRule,
  timestampRules,
} from '../../../src/catalogue/processes/timestamp-rules.ts';
import { idOf } from '../../../src/media.ts';
import { type Bundle, backends, lifetimes, SCHEMA, setup } from '../backends.ts';
import { HEARTBEAT } from '../items.ts';

const ACCOUNT = 'wx0123456789abcdef';
const RULES = timestampRules(lifetimes);
const nameOf = ({ table, column }: TimestampRule) => `${table}.${column}`;

/** A row in every table that has a rule, so that the rule can be tested. */
async function fill({ database, catalogue }: Bundle, now: Date): Promise<void> {
  const soon = new Date(now.getTime() + 1_000);
  const media = ['waits', 'dispatched', 'erased'];
  await catalogue.media.insert(
    media.map((mediaId) => ({ account: ACCOUNT, mediaId, kind: 'image', sentAt: now })),
    now,
    false,
  );
  await database.query(`UPDATE wma.media SET stage = 0, next_attempt_at = $2 WHERE id = $1`, [
    idOf(ACCOUNT, 'waits'),
    soon,
  ]);
  await database.query(
    `UPDATE wma.media SET stage = 2, claimed_at = $2, next_attempt_at = $2 WHERE id = $1`,
    [idOf(ACCOUNT, 'dispatched'), now],
  );
  await catalogue.mediaErasure.erase([idOf(ACCOUNT, 'erased')], { actor: 'test' }, now);
  await catalogue.accounts.hold(ACCOUNT, soon, { code: 'x', class: 'account' }, now);
  await database.query(
    `UPDATE wma.account SET probe_until = $1, token_lease_until = $1, token_issued_at = $1, token_expires_at = $1,
       last_callback_at = $1, clock_skew_at = $1`,
    [now],
  );
  await catalogue.leases.take('sweep', 'other', now, soon);
  await catalogue.leases.take('alerts', 'other', now, soon);
  await catalogue.leases.take('recount', 'other', now, soon);
  await catalogue.storeHold.takeProbe('p', now, soon);
  await catalogue.storeHold.probeFailed('p', soon, { code: 'store_refused', class: 'store' }, now);
  await database.query(
    'UPDATE wma.store_hold SET probe_until = $1, last_probe_success_at = $1, released_at = $1',
    [now],
  );
  await catalogue.kfCursors.requestRead(ACCOUNT, 'kf', 'ciphertext', now);
  await database.query('UPDATE wma.kf_cursor SET not_before = $1, read_at = $1, failing_since = $1', [now]);
  await catalogue.redrives.create({ filter: { status: ['dead'] }, rate: 1, actor: 'test' }, now);
  await catalogue.erasures.createForOpenId(
    { account: ACCOUNT, openIdCiphertext: 'ciphertext', actor: 'test' },
    now,
    soon,
  );
  await catalogue.alerts.report([{ kind: 'x', target: '', since: now, count: 1, detail: {} }], now);
  await database.query('UPDATE wma.alert SET claimed_until = $1, last_sent_at = $1', [now]);
  await catalogue.verifications.create({ kind: 'orphans', options: {}, by: 'test' }, now);
  await database.query(`INSERT INTO wma.acknowledgement (account, status, until) VALUES ($1, 'dead', $2)`, [
    ACCOUNT,
    now,
  ]);
  await catalogue.webhooks.endpoints.create({ url: 'https://example.com/', secret: {} }, { by: 'test', now });
  await database.query('UPDATE wma.webhook_endpoint SET failing_since = $1, previous_secret_until = $2', [
    now,
    soon,
  ]);
  await database.query(
    `INSERT INTO wma.webhook_delivery (endpoint, position, event, type, at, due_at, leased_until, created_at)
     VALUES ('whe', 1, gen_random_uuid(), 'media.dead', $1, $2, $2, $1)`,
    [now, soon],
  );
  await catalogue.encryptedSecrets.write('secret', 'ciphertext', now);
  await catalogue.processes.heartbeat('p', {
    ...HEARTBEAT,
    name: 'p',
    isWorker: true,
    clockAheadMs: 0,
    conditions: [],
  });
  await catalogue.processes.markLeft('p');
}

/** Sets the rule's column so far ahead of the database's clock, in rows that the rule is about. */
async function setAhead({ database }: Bundle, rule: TimestampRule, ms: number): Promise<void> {
  const { table, column, where = 'true' } = rule;
  if (where.includes(`'class' = '`)) {
    const holdClass = /'class' = '(\w+)'/.exec(where)![1];
    await database.query('UPDATE wma.account SET hold = $1', [
      JSON.stringify({ code: 'x', class: holdClass }),
    ]);
  } else if (column === 'held_until') {
    await database.query('UPDATE wma.account SET hold = $1', [
      JSON.stringify({ code: 'x', class: 'day_quota' }),
    ]);
  }
  const rows = await database.query(
    `UPDATE wma.${table} SET ${column} = clock_timestamp() + $1 * interval '1 ms' WHERE ${where} RETURNING 1`,
    [ms],
  );
  assert.ok(rows.length > 0, `a row to try ${nameOf(rule)} on`);
}

describe('times that a wrong clock wrote', () => {
  for (const { name, skip, open } of backends) {
    it(`every timestamp column has a rule or a reason to have none, on ${name}`, { skip }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const columns = await bundle.database.query<{ name: string }>(
        `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
         WHERE table_schema = $1 AND data_type LIKE 'timestamp%'
           AND NOT (SELECT relispartition FROM pg_class WHERE oid = format('%I.%I', table_schema, table_name)::regclass)
         ORDER BY 1`,
        [SCHEMA],
      );
      const known = new Set([...RULES.map(nameOf), ...Object.keys(TIMESTAMPS_WITHOUT_RULE)]);
      const inSchema = new Set(columns.map((column) => column.name));
      assert.deepEqual(
        [...inSchema].filter((column) => !known.has(column)),
        [],
        'columns without a rule or a reason',
      );
      assert.deepEqual(
        [...known].filter((column) => !inSchema.has(column)),
        [],
        'names of no column',
      );
    });

    it(`a timestamp of a wrong clock ends within the longest duration of its kind, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await fill(bundle, new Date());
      assert.deepEqual(
        await bundle.catalogue.timestamps.correct(),
        [],
        'nothing that a right clock wrote is touched',
      );
      for (const rule of RULES) {
        await setAhead(bundle, rule, rule.longestMs + 2_000);
        assert.deepEqual(
          await bundle.catalogue.timestamps.correct(),
          [],
          `${nameOf(rule)}: as long as its kind can last`,
        );
        await setAhead(bundle, rule, rule.longestMs + 4 * 86_400_000);
        const corrected = await bundle.catalogue.timestamps.correct();
        assert.deepEqual(
          corrected.map(nameOf as never),
          [nameOf(rule)],
          `${nameOf(rule)}: four days too long`,
        );
        assert.deepEqual(await bundle.catalogue.timestamps.correct(), [], `${nameOf(rule)}: once is enough`);
      }
    });

    it(`a hold by hand lasts as long as the person wanted, on ${name}`, { skip }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const until = new Date('2100-01-01T00:00:00Z');
      const why = { code: 'held_by_hand', class: 'account' } as const;
      await bundle.catalogue.accounts.holdByHand(ACCOUNT, until, why, new Date());
      assert.deepEqual(await bundle.catalogue.timestamps.correct(), []);
      const [state] = await bundle.catalogue.accounts.list();
      assert.deepEqual(state?.heldUntil, until);
    });

    it(`an item that was sent in the future is corrected together with its deadline, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const now = new Date();
      const sentAt = new Date(now.getTime() + 30 * 86_400_000);
      await bundle.catalogue.media.insert(
        [{ account: ACCOUNT, mediaId: 'x', kind: 'image', sentAt }],
        now,
        false,
      );
      await bundle.catalogue.timestamps.correct();
      const row = await bundle.catalogue.media.get(idOf(ACCOUNT, 'x'));
      assert.ok(Math.abs(row!.sentAt!.getTime() - now.getTime()) < 60_000);
      assert.equal(row!.expiresAt!.getTime() - row!.sentAt!.getTime(), lifetimes.lifetimeMs);
      assert.equal(row!.closesAt!.getTime() - row!.expiresAt!.getTime(), lifetimes.closingMs);
    });
  }
});
