/** What all processes share about an account: its encrypted access token, its hold, its last callback. */
import type { Failure } from '../../failures.ts';
import { storableJson } from '../../storable.ts';
import { releaseEntries, WORKER } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';

/** An access token, encrypted by `wechat/`. */
export interface StoredToken {
  readonly encrypted: string;
  readonly fingerprint: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** Why an account is held. Of a hold by hand: `by` is the name of the API key, `reason` the text given with it. */
export type Hold = Failure & { readonly by?: string; readonly reason?: string };

/** The code of a hold by hand; see FAILURES. */
export const HELD_BY_HAND = 'held_by_hand';

/** The end of a hold that lasts until it is released. It is later than any date that a person would choose. */
export const ENDLESS = new Date('9999-12-31T00:00:00Z');

/** A held account: all its items wait. */
export interface AccountHold {
  readonly account: string;
  /** Then one of its items is attempted. */
  readonly until: Date;
  readonly reason?: Hold;
}

export interface AccountState {
  readonly account: string;
  readonly lastCallbackAt?: Date;
  readonly heldUntil?: Date;
  readonly heldSince?: Date;
  /** Why it is held. */
  readonly hold?: Hold;
  /** From the last callback with a valid signature; positive: our clock is ahead of WeChat's. */
  readonly clockSkew?: { readonly seconds: number; readonly at: Date };
  readonly tokenExpiresAt?: Date;
  /** As WeChat reported it last. */
  readonly quota?: AccountQuota;
}

export interface AccountQuota {
  readonly dailyLimit: number;
  readonly used: number;
  readonly remain: number;
  /** RFC 3339. */
  readonly readAt: string;
}

interface AccountRecord {
  account: string;
  quota: AccountQuota | null;
  last_callback_at: Date | null;
  held_until: Date | null;
  held_since: Date | null;
  hold: Hold | null;
  clock_skew_seconds: number | null;
  clock_skew_at: Date | null;
  token_ciphertext: string | null;
  token_fingerprint: string | null;
  token_issued_at: Date | null;
  token_expires_at: Date | null;
}

export function createAccountStates(database: Database, schema: string) {
  return {
    /** Creates missing rows of configured accounts. Idempotent. */
    ensure: async (accounts: readonly string[]): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.account (account) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`,
        [[...accounts]],
      );
    },

    saveQuota: async (account: string, quota: AccountQuota): Promise<void> => {
      await database.query(`UPDATE ${schema}.account SET quota = $2 WHERE account = $1`, [
        account,
        storableJson(quota),
      ]);
    },

    list: async (): Promise<AccountState[]> => {
      const rows = await database.query<AccountRecord>(`SELECT * FROM ${schema}.account ORDER BY account`);
      return rows.map((row) => ({
        account: row.account,
        ...(row.last_callback_at ? { lastCallbackAt: row.last_callback_at } : {}),
        ...(row.held_until ? { heldUntil: row.held_until } : {}),
        ...(row.held_since ? { heldSince: row.held_since } : {}),
        ...(row.hold ? { hold: row.hold } : {}),
        ...(row.clock_skew_seconds !== null && row.clock_skew_at
          ? { clockSkew: { seconds: row.clock_skew_seconds, at: row.clock_skew_at } }
          : {}),
        ...(row.token_expires_at ? { tokenExpiresAt: row.token_expires_at } : {}),
        ...(row.quota ? { quota: row.quota } : {}),
      }));
    },

    /**
     * Holds an account: none of its items is claimed before `until`; running attempts continue. Of two holds the longer
     * one stays, with its reason. After `until` one item at a time is attempted, until one is archived. True: it was not
     * held before.
     */
    hold: async (account: string, until: Date, why: object, now = new Date()): Promise<boolean> => {
      // Locked before it is read: of two processes that hold it at the same moment one is the first.
      const [row] = await database.query<{ is_new: boolean }>(
        `WITH before AS (SELECT held_until FROM ${schema}.account WHERE account = $1 FOR UPDATE),
         held AS (
           INSERT INTO ${schema}.account AS a (account, held_until, held_since, hold)
           SELECT $1, $2::timestamptz, $4::timestamptz, $3::jsonb FROM (SELECT count(*) FROM before) AS locked
           ON CONFLICT (account) DO UPDATE SET
             held_until = greatest(a.held_until, $2),
             held_since = CASE WHEN a.held_until IS NULL THEN $4 ELSE coalesce(a.held_since, $4) END,
             hold = CASE WHEN a.held_until > $2 THEN a.hold ELSE $3::jsonb END,
             probe = NULL, probe_until = NULL
           RETURNING account, (SELECT held_until FROM before) IS NULL AS is_new),
         audited AS (
           INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts, reason)
           SELECT $4, '${WORKER}', 'hold', account, ARRAY[account], $3::jsonb ->> 'code' FROM held WHERE is_new)
         SELECT is_new FROM held`,
        [account, until, storableJson(why), now],
      );
      return row?.is_new ?? false;
    },

    /** The held accounts. A lapsed hold is included until one of the account's items is archived. */
    listHolds: async (): Promise<AccountHold[]> => {
      const rows = await database.query<Pick<AccountRecord, 'account' | 'hold'> & { held_until: Date }>(
        `SELECT account, held_until, hold FROM ${schema}.account WHERE held_until IS NOT NULL`,
      );
      return rows.map((row) => ({
        account: row.account,
        until: row.held_until,
        ...(row.hold ? { reason: row.hold } : {}),
      }));
    },

    /** True: the hold has lapsed, and this item is the probe of its account; no other one is before `until`. */
    takeProbe: async (account: string, id: string, now: Date, until: Date): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.account SET probe = $2, probe_until = $4
         WHERE account = $1 AND held_until <= $3 AND (probe_until IS NULL OR probe_until <= $3 OR probe = $2)
         RETURNING account`,
        [account, id, now, until],
      );
      return rows.length > 0;
    },

    /**
     * Ends a hold that has lapsed, because an attempt of the account succeeded. One that started before the hold began
     * ends nothing: it says how the account was then. False: no hold ended.
     */
    endLapsedHold: async (account: string, now: Date, startedAt: Date): Promise<boolean> => {
      const rows = await database.query(
        `WITH released AS (
           UPDATE ${schema}.account
           SET held_until = NULL, held_since = NULL, hold = NULL, probe = NULL, probe_until = NULL
           WHERE account = $1 AND held_until <= $2 AND held_since <= $3 RETURNING account),
         audited AS (${releaseEntries(schema, '$2')})
         SELECT account FROM released`,
        [account, now, startedAt],
      );
      return rows.length > 0;
    },

    /**
     * Holds an account for a person, whatever held it before. `until` and `now` are by the database's clock, because no
     * rule corrects the times of a hold by hand.
     */
    holdByHand: async (account: string, until: Date, why: Hold, now: Date): Promise<void> => {
      await database.query(
        `WITH held AS (
           INSERT INTO ${schema}.account (account, held_until, held_since, hold) VALUES ($1, $2, $4, $3)
           ON CONFLICT (account) DO UPDATE SET held_until = $2, held_since = $4, hold = $3
           RETURNING account)
         INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts, reason, detail)
         SELECT $4, $5, 'hold', account, ARRAY[account], $6, $7::jsonb FROM held`,
        [
          account,
          until,
          storableJson(why),
          now,
          why.by ?? WORKER,
          why.reason ?? why.code,
          until < ENDLESS ? storableJson({ until }) : null,
        ],
      );
    },

    /**
     * Ends a hold by hand at once. A hold of the program itself lapses instead: one item is attempted now, and the others
     * follow when it is archived. Items that wait for the end of the hold become due.
     */
    release: async (account: string, now: Date, actor = WORKER): Promise<void> => {
      await database.query(
        `WITH released AS (
           UPDATE ${schema}.account SET
             held_until = CASE WHEN hold ->> 'code' = '${HELD_BY_HAND}' THEN NULL ELSE least(held_until, $2) END,
             hold = CASE WHEN hold ->> 'code' = '${HELD_BY_HAND}' THEN NULL ELSE hold END,
             probe = NULL, probe_until = NULL
           WHERE account = $1 AND held_until IS NOT NULL RETURNING account),
         audited AS (
           INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts)
           SELECT $2, $3, 'release', account, ARRAY[account] FROM released)
         UPDATE ${schema}.media SET stage = 1, next_attempt_at = NULL, waiting_reason = NULL
         WHERE account = $1 AND stage < 2 AND waiting_reason = 'accountHeld'`,
        [account, now, actor],
      );
    },

    /** The token store of `wechat/tokens`. */
    tokens: {
      read: async (account: string): Promise<StoredToken | undefined> => {
        const [row] = await database.query<AccountRecord>(
          `SELECT * FROM ${schema}.account WHERE account = $1 AND token_ciphertext IS NOT NULL`,
          [account],
        );
        return row?.token_ciphertext && row.token_fingerprint && row.token_issued_at && row.token_expires_at
          ? {
              encrypted: row.token_ciphertext,
              fingerprint: row.token_fingerprint,
              issuedAt: row.token_issued_at,
              expiresAt: row.token_expires_at,
            }
          : undefined;
      },

      /** True: the lease was free, lapsed or already the holder's. */
      takeLease: async (account: string, holder: string, now: Date, until: Date): Promise<boolean> => {
        const rows = await database.query(
          `INSERT INTO ${schema}.account AS a (account, token_lease, token_lease_until) VALUES ($1, $2, $4)
           ON CONFLICT (account) DO UPDATE SET token_lease = $2, token_lease_until = $4
           WHERE a.token_lease IS NULL OR a.token_lease = $2 OR a.token_lease_until <= $3
           RETURNING account`,
          [account, holder, now, until],
        );
        return rows.length > 0;
      },

      /** Replaces the token with the fingerprint `replaces` (null: none is stored) and ends the lease. False: another is stored. */
      write: async (account: string, token: StoredToken, replaces: string | null): Promise<boolean> => {
        const rows = await database.query(
          `UPDATE ${schema}.account
           SET token_ciphertext = $2, token_fingerprint = $3, token_issued_at = $4, token_expires_at = $5,
               token_lease = NULL, token_lease_until = NULL
           WHERE account = $1 AND token_fingerprint IS NOT DISTINCT FROM $6 RETURNING account`,
          [account, token.encrypted, token.fingerprint, token.issuedAt, token.expiresAt, replaces],
        );
        return rows.length > 0;
      },

      dropLease: async (account: string, holder: string): Promise<void> => {
        await database.query(
          `UPDATE ${schema}.account SET token_lease = NULL, token_lease_until = NULL
           WHERE account = $1 AND token_lease = $2`,
          [account, holder],
        );
      },
    },
  };
}
