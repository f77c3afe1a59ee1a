/** How far the messages of WeCom customer service have been read: the cursor moves in the transaction of the rows. */
import type { Lifetimes } from '../clock.ts';
import type { Reference } from '../media.ts';
import { isNeverStorable } from '../storable.ts';
import { type Accepted, createAccepting } from './accepting.ts';
import type { Database } from './database.ts';

/** A customer-service account somebody should read now. */
export interface WantedSync {
  readonly account: string;
  readonly openKfId: string;
  readonly wantedAt: Date;
  readonly cursor?: string;
  /** Sealed by `wechat/`. */
  readonly token?: string;
}

export function createKfSyncs(database: Database, schema: string, lifetimes: Lifetimes) {
  /** The cursor moves in the transaction of the rows; undefined: another process moved it. */
  const commit = (
    sync: WantedSync,
    page: { references: readonly Reference[]; nextCursor: string },
    now: Date,
    until: Date | undefined,
  ): Promise<Accepted[] | undefined> =>
    database.transaction(async (transaction) => {
      // A callback that came meanwhile has another wanted_at: the account stays wanted.
      const moved = await transaction.query(
        `UPDATE ${schema}.kf_sync SET cursor = $4, not_until = $5,
           wanted_at = CASE WHEN $5::timestamptz IS NULL AND wanted_at = $6 THEN NULL ELSE wanted_at END
         WHERE account = $1 AND open_kfid = $2 AND cursor IS NOT DISTINCT FROM $3 RETURNING account`,
        [sync.account, sync.openKfId, sync.cursor ?? null, page.nextCursor, until ?? null, sync.wantedAt],
      );
      if (moved.length === 0) return undefined;
      return createAccepting(transaction, schema, lifetimes).accept(page.references, now, true);
    });

  /** Those that the catalogue takes, found by writing each alone: a repeat of a row changes nothing. */
  async function storableOf(references: readonly Reference[], now: Date): Promise<Reference[]> {
    const { accept } = createAccepting(database, schema, lifetimes);
    const taken: Reference[] = [];
    for (const reference of references) {
      try {
        await accept([reference], now, false);
        taken.push(reference);
      } catch (error) {
        if (!isNeverStorable(error)) throw error;
      }
    }
    return taken;
  }

  return {
    /** There is something to read. On disk when it resolves; a repeat renews the token, unless it is older. */
    want: async (account: string, openKfId: string, token: string, now: Date): Promise<void> => {
      // Always another moment, for a reader that is at it must see that somebody came; a Date holds milliseconds.
      await database.query(
        `INSERT INTO ${schema}.kf_sync AS k (account, open_kfid, wanted_at, token) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, open_kfid) DO UPDATE SET wanted_at = greatest(k.wanted_at + interval '1 ms', $3),
           token = CASE WHEN k.wanted_at > $3 THEN k.token ELSE $4 END`,
        [account, openKfId, now, token],
      );
    },

    /** Takes the one that waits longest, until `until`; a holder that dies lets it lapse. */
    take: async (now: Date, until: Date): Promise<WantedSync | undefined> => {
      const [row] = await database.query<{
        account: string;
        open_kfid: string;
        wanted_at: Date;
        cursor: string | null;
        token: string | null;
      }>(
        `UPDATE ${schema}.kf_sync SET not_until = $2
         WHERE (account, open_kfid) IN (
           SELECT account, open_kfid FROM ${schema}.kf_sync
           WHERE wanted_at IS NOT NULL AND (not_until IS NULL OR not_until <= $1)
           ORDER BY wanted_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING account, open_kfid, wanted_at, cursor, token`,
        [now, until],
      );
      return (
        row && {
          account: row.account,
          openKfId: row.open_kfid,
          wantedAt: row.wanted_at,
          ...(row.cursor === null ? {} : { cursor: row.cursor }),
          ...(row.token === null ? {} : { token: row.token }),
        }
      );
    },

    /**
     * Writes a page's references and moves the cursor, both or neither. Undefined: the cursor was moved by another,
     * and nothing was written. `until`: the next page is ours till then; absent after the last one. References
     * that no column takes are left out: then fewer are returned than were given.
     */
    commitPage: async (
      sync: WantedSync,
      page: { references: readonly Reference[]; nextCursor: string },
      now: Date,
      until?: Date,
    ): Promise<Accepted[] | undefined> => {
      try {
        return await commit(sync, page, now, until);
      } catch (error) {
        if (!isNeverStorable(error)) throw error;
        // One message must not keep the page from being read for good.
        const references = await storableOf(page.references, now);
        return await commit(sync, { ...page, references }, now, until);
      }
    },

    /**
     * Nothing of it before `until`: what failed is asked again then, without the token, which may be what failed
     * (it is good for ten minutes). A callback that came meanwhile brought a new one.
     */
    postpone: async (sync: WantedSync, until: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.kf_sync
         SET not_until = $3, token = CASE WHEN wanted_at = $4 THEN NULL ELSE token END
         WHERE account = $1 AND open_kfid = $2`,
        [sync.account, sync.openKfId, until, sync.wantedAt],
      );
    },
  };
}
