/** WeCom customer service: how far the messages of each account were read, and which accounts are to be read. */

import type { Failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { Lifetimes } from '../../runtime/clock.ts';
import { isNeverStorable, storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';
import { type Accepted, createMediaInserts } from '../media/insert.ts';

/** A customer-service account that this process reads now. */
export interface ClaimedKfAccount {
  readonly account: string;
  readonly openKfId: string;
  /** When the last callback announced messages; absent: none since it was read. */
  readonly requestedAt?: Date;
  readonly cursor?: string;
  /** The token of the callback, encrypted by `wechat/`. */
  readonly tokenCiphertext?: string;
  /** Why the last read failed, and how many failed in a row. */
  readonly failure?: Failure;
  readonly failures: number;
}

/** The state of a customer-service account. */
export interface KfAccountState {
  readonly account: string;
  readonly openKfId: string;
  /** When its messages were last read to the end. */
  readonly readAt?: Date;
  readonly failure?: Failure;
  readonly failingSince?: Date;
}

interface KfRecord {
  account: string;
  open_kfid: string;
  requested_at: Date | null;
  cursor: string | null;
  token_ciphertext: string | null;
  read_at: Date | null;
  failure: Failure | null;
  failing_since: Date | null;
  failures: number;
}

/** Longer than any delay of kf-sync-policy.ts: a time further ahead was written by a wrong clock. */
const LONGEST_WAIT = "interval '2 hours'";

export function createKfCursors(database: Database, schema: string, lifetimes: Lifetimes) {
  /** Moves the cursor in the transaction of the rows. Undefined: another process has moved it. */
  const commit = (
    sync: ClaimedKfAccount,
    page: { references: readonly Reference[]; nextCursor: string },
    now: Date,
    until: Date | undefined,
  ): Promise<Accepted[] | undefined> =>
    database.transaction(async (transaction) => {
      // A callback that came meanwhile has another requested_at: then the request stays.
      const moved = await transaction.query(
        `UPDATE ${schema}.kf_cursor SET cursor = $4, not_before = $5,
           requested_at = CASE WHEN $5::timestamptz IS NULL AND requested_at = $6 THEN NULL ELSE requested_at END,
           read_at = CASE WHEN $5::timestamptz IS NULL THEN $7 ELSE read_at END,
           failure = NULL, failing_since = NULL, failures = 0
         WHERE account = $1 AND open_kfid = $2 AND cursor IS NOT DISTINCT FROM $3 RETURNING account`,
        [
          sync.account,
          sync.openKfId,
          sync.cursor ?? null,
          page.nextCursor || null,
          until ?? null,
          sync.requestedAt ?? null,
          now,
        ],
      );
      if (moved.length === 0) return undefined;
      return createMediaInserts(transaction, schema, lifetimes).insert(page.references, now, true);
    });

  /** Returns the references that can be stored. It inserts each alone: a repeat of a row changes nothing. */
  async function storableOf(references: readonly Reference[], now: Date): Promise<Reference[]> {
    const { insert } = createMediaInserts(database, schema, lifetimes);
    const storable: Reference[] = [];
    for (const reference of references) {
      try {
        await insert([reference], now, false);
        storable.push(reference);
      } catch (error) {
        if (!isNeverStorable(error)) throw error;
      }
    }
    return storable;
  }

  return {
    /** Requests a read. On disk when it resolves. A repeat renews the token, unless it is older. */
    requestRead: async (account: string, openKfId: string, token: string, now: Date): Promise<void> => {
      // Always another time, so that a running reader notices the new request; a Date holds milliseconds.
      await database.query(
        `INSERT INTO ${schema}.kf_cursor AS k (account, open_kfid, requested_at, token_ciphertext) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, open_kfid) DO UPDATE SET requested_at = greatest(k.requested_at + interval '1 ms', $3),
           token_ciphertext = CASE WHEN k.requested_at > $3 THEN k.token_ciphertext ELSE $4 END`,
        [account, openKfId, now, token],
      );
    },

    /**
     * Claims the one of these accounts that waits longest; the claim lapses at `until`. An account without a request is
     * claimed if it was not read since `readBefore`, because a callback may have been lost.
     */
    claim: async (
      accounts: readonly string[],
      now: Date,
      until: Date,
      readBefore: Date,
    ): Promise<ClaimedKfAccount | undefined> => {
      const [row] = await database.query<KfRecord>(
        `UPDATE ${schema}.kf_cursor SET not_before = $2
         WHERE (account, open_kfid) IN (
           SELECT account, open_kfid FROM ${schema}.kf_cursor
           WHERE account = ANY($3) AND (requested_at IS NOT NULL OR read_at IS NULL OR read_at <= $4 OR read_at > $1)
             AND (not_before IS NULL OR not_before <= $1 OR not_before > $1 + ${LONGEST_WAIT})
           ORDER BY requested_at NULLS LAST, read_at NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [now, until, [...accounts], readBefore],
      );
      return (
        row && {
          account: row.account,
          openKfId: row.open_kfid,
          failures: row.failures,
          ...(row.requested_at === null ? {} : { requestedAt: row.requested_at }),
          ...(row.cursor === null ? {} : { cursor: row.cursor }),
          ...(row.token_ciphertext === null ? {} : { tokenCiphertext: row.token_ciphertext }),
          ...(row.failure === null ? {} : { failure: row.failure }),
        }
      );
    },

    /**
     * Inserts the references of a page and moves the cursor in one transaction. Undefined: another process has moved the
     * cursor, and nothing was written. `until`: the claim for the next page; absent after the last page. References
     * that cannot be stored are left out: then the result is shorter.
     */
    commitPage: async (
      sync: ClaimedKfAccount,
      page: { references: readonly Reference[]; nextCursor: string },
      now: Date,
      until?: Date,
    ): Promise<Accepted[] | undefined> => {
      try {
        return await commit(sync, page, now, until);
      } catch (error) {
        if (!isNeverStorable(error)) throw error;
        // One message must not block the page.
        const references = await storableOf(page.references, now);
        return await commit(sync, { ...page, references }, now, until);
      }
    },

    /**
     * Writes a failure: no read before `until`, with `ofAccount` also none of the others of its account. `dropToken`
     * removes the token, unless a callback has brought a new one meanwhile.
     */
    markFailed: async (
      sync: ClaimedKfAccount,
      failure: Failure,
      next: { until: Date; ofAccount: boolean; dropToken: boolean },
      now: Date,
    ): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.kf_cursor SET
           not_before = CASE WHEN open_kfid = $2 THEN $3 ELSE greatest(not_before, $3) END,
           failure = CASE WHEN open_kfid = $2 THEN $4::jsonb ELSE failure END,
           failing_since = CASE WHEN open_kfid = $2 THEN coalesce(failing_since, $5) ELSE failing_since END,
           failures = CASE WHEN open_kfid = $2 THEN least(failures + 1, 1000000) ELSE failures END,
           token_ciphertext = CASE WHEN $6 AND open_kfid = $2 AND requested_at IS NOT DISTINCT FROM $7 THEN NULL ELSE token_ciphertext END
         WHERE account = $1 AND (open_kfid = $2 OR $8)`,
        [
          sync.account,
          sync.openKfId,
          next.until,
          storableJson(failure),
          now,
          next.dropToken,
          sync.requestedAt ?? null,
          next.ofAccount,
        ],
      );
    },

    /** Ends the claim: the account can be claimed at once. */
    release: async ({ account, openKfId }: ClaimedKfAccount): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.kf_cursor SET not_before = NULL WHERE account = $1 AND open_kfid = $2`,
        [account, openKfId],
      );
    },

    /** Ends the delay after failures: the failed ones of the account can be claimed at once. */
    retryNow: async (account: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.kf_cursor SET not_before = NULL, failures = least(failures, 1)
         WHERE account = $1 AND failure IS NOT NULL`,
        [account],
      );
    },

    /** The states of these accounts, or of all; at most a thousand. */
    list: async (accounts?: readonly string[]): Promise<KfAccountState[]> => {
      const rows = await database.query<KfRecord>(
        `SELECT * FROM ${schema}.kf_cursor WHERE $1::text[] IS NULL OR account = ANY($1)
         ORDER BY account, open_kfid LIMIT 1000`,
        [accounts ? [...accounts] : null],
      );
      return rows.map((row) => ({
        account: row.account,
        openKfId: row.open_kfid,
        ...(row.read_at === null ? {} : { readAt: row.read_at }),
        ...(row.failure === null ? {} : { failure: row.failure }),
        ...(row.failing_since === null ? {} : { failingSince: row.failing_since }),
      }));
    },
  };
}
