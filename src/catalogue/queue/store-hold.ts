/** The hold of the store: one row for all processes, so that one process probes and all of them wait. */
import type { Failure } from '../../failures.ts';
import { storableJson } from '../../storable.ts';
import { type AuditAction, writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import { dueChannelOf } from '../media/insert.ts';

export interface StoreHoldState {
  readonly since: Date;
  /** The time of the next probe. */
  readonly until: Date;
  readonly failure: Failure;
  /** Probes that failed since the hold began. */
  readonly probes: number;
}

export interface StoreState {
  readonly hold: StoreHoldState | undefined;
  /** When the last successful probe began. */
  readonly lastProbeSuccessAt: Date | undefined;
}

/** An SQL condition: whether the store is held, and all archiving waits. */
export const storeIsHeld = (schema: string): string =>
  `EXISTS (SELECT FROM ${schema}.store_hold WHERE since IS NOT NULL)`;

const TARGET = 'store';
const ACTOR = 'worker';

export function createStoreHold(database: Database, schema: string) {
  const table = `${schema}.store_hold`;

  /** Changes the row and writes the audit entry in one transaction. False: another process was first. */
  const change = (
    statement: string,
    values: unknown[],
    entry: { at: Date; action: AuditAction; reason?: string },
  ) =>
    database.transaction(async (transaction) => {
      const changed = (await transaction.query(statement, values)).length > 0;
      if (changed)
        await writeAuditEntries(transaction, schema, [
          { ...entry, actor: ACTOR, target: TARGET, accounts: undefined },
        ]);
      return changed;
    });

  return {
    read: async (): Promise<StoreState> => {
      const [row] = await database.query<{
        since: Date | null;
        until: Date;
        failure: Failure;
        probes: number;
        last_probe_success_at: Date | null;
      }>(`SELECT since, until, failure, probes, last_probe_success_at FROM ${table}`);
      const { since, until, failure, probes } = row ?? {};
      return {
        hold: since ? { since, until: until!, failure: failure!, probes: probes! } : undefined,
        lastProbeSuccessAt: row?.last_probe_success_at ?? undefined,
      };
    },

    /** True: this holder probes the store now, and no other process does until `leaseUntil`. */
    takeProbe: async (holder: string, now: Date, leaseUntil: Date): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${table} SET probe_holder = $1, probe_until = $3
         WHERE (probe_holder IS NULL OR probe_until <= $2) AND (since IS NULL OR until <= $2) RETURNING singleton`,
        [holder, now, leaseUntil],
      );
      return rows.length > 0;
    },

    /** The probe failed: nothing is archived before `until`. True: this began the hold. */
    probeFailed: async (holder: string, until: Date, failure: Failure, now: Date): Promise<boolean> => {
      const isNew = await change(
        `UPDATE ${table} SET since = $4, until = $2, failure = $3, probes = 0, probe_holder = NULL, probe_until = NULL
         WHERE since IS NULL AND probe_holder = $1 RETURNING singleton`,
        [holder, until, storableJson(failure), now],
        {
          at: now,
          action: 'hold',
          reason: failure.detail ? `${failure.code}: ${failure.detail}` : failure.code,
        },
      );
      if (!isNew) {
        await database.query(
          `UPDATE ${table} SET until = $2, failure = $3, probes = probes + 1, probe_holder = NULL, probe_until = NULL
           WHERE since IS NOT NULL AND probe_holder = $1`,
          [holder, until, storableJson(failure)],
        );
      }
      return isNew;
    },

    /** The probe that began at `startedAt` succeeded. True: this ended a hold; all dispatchers are notified. */
    probeSucceeded: async (holder: string, startedAt: Date, now: Date): Promise<boolean> => {
      const ended = await change(
        `WITH ended AS (
           UPDATE ${table} SET since = NULL, until = NULL, failure = NULL, probes = 0, probe_holder = NULL,
             probe_until = NULL, last_probe_success_at = $2, released_at = $3
           WHERE since IS NOT NULL AND probe_holder = $1 RETURNING singleton)
         SELECT pg_notify('${dueChannelOf(schema)}', '') FROM ended`,
        [holder, startedAt, now],
        { at: now, action: 'release' },
      );
      if (!ended) {
        await database.query(
          `UPDATE ${table} SET probe_holder = NULL, probe_until = NULL, last_probe_success_at = $2
           WHERE since IS NULL AND probe_holder = $1`,
          [holder, startedAt],
        );
      }
      return ended;
    },

    /** The probe had no result: another process may probe, and a hold stays as it was. */
    releaseProbe: async (holder: string): Promise<void> => {
      await database.query(
        `UPDATE ${table} SET probe_holder = NULL, probe_until = NULL WHERE probe_holder = $1`,
        [holder],
      );
    },

    /** A person asks for a probe now. False: the store is not held. */
    release: async (actor: string, now: Date): Promise<boolean> =>
      database.transaction(async (transaction) => {
        const rows = await transaction.query(
          `UPDATE ${table} SET until = $1, probe_holder = NULL, probe_until = NULL WHERE since IS NOT NULL RETURNING singleton`,
          [now],
        );
        if (rows.length === 0) return false;
        await writeAuditEntries(transaction, schema, [
          { at: now, actor, action: 'release', target: TARGET, accounts: undefined },
        ]);
        return true;
      }),

    /** Makes a claimed row due again. False: another generation, or the store is not held. */
    requeue: async (job: { id: string; generation: number }): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media
         SET stage = 1, claimed_at = NULL, running_since = NULL, next_attempt_at = NULL, waiting_reason = NULL
         WHERE id = $1 AND generation = $2 AND stage = 2 AND ${storeIsHeld(schema)} RETURNING id`,
        [job.id, job.generation],
      );
      return rows.length > 0;
    },
  };
}
