/**
 * Acknowledgements: an operator has seen the dead or the expired items of an account. Items that close later are still
 * to be seen. What makes that certain, whatever the clocks say, is described at the table in the migration.
 */
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import { type Database, isLockTimeout } from '../database/database.ts';
import { boundsOf, MAX_CLOSED_COUNT } from './facts.ts';

/** The states in which an item stays in sight until an operator acknowledges it. */
export const ACKNOWLEDGED_STATUSES = ['expired', 'dead'] as const;
export type AcknowledgedStatus = (typeof ACKNOWLEDGED_STATUSES)[number];

export interface Acknowledgement {
  readonly account: string;
  /** How many items it marked; at most {@link MAX_CLOSED_COUNT} are counted. */
  readonly count: number;
  /** Items that became dead or expired up to this time are acknowledged. */
  readonly until: Date;
}

export interface AcknowledgementRequest {
  readonly status: AcknowledgedStatus;
  /** Undefined: all accounts. */
  readonly accounts?: readonly string[] | undefined;
  /** The name of the API key. */
  readonly actor: string;
  readonly reason?: string | undefined;
}

/** How long it waits for transactions that close items. Meanwhile no other transaction closes one. */
const LOCK_TIMEOUT_MS = 2_000;

/** A transaction of a producer has inserted a dead item and neither commits nor rolls back. */
export class AcknowledgementBlockedError extends Error {
  override readonly name = 'AcknowledgementBlockedError';
}

export function createAcknowledgements(database: Database, schema: string) {
  return {
    /**
     * Acknowledges all items that have this status. Resolves with the accounts that had any to acknowledge; each has an
     * audit entry. Rejects with AcknowledgementBlockedError, and has done nothing, if a transaction that closes items
     * does not end in time.
     */
    acknowledge: async (request: AcknowledgementRequest, now: Date): Promise<Acknowledgement[]> => {
      const { status, accounts, actor, reason } = request;
      try {
        return await database.transaction(async (transaction) => {
          await transaction.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
          // The same lock as in set_closed_at(). A statement of its own, so that the next one sees what it waited for.
          await transaction.query(
            `SELECT pg_advisory_xact_lock('${schema}.media'::regclass::oid::integer, 1)`,
          );
          const rows = await transaction.query<{ account: string; n: string; until: Date }>(
            `${boundsOf(schema, status, { accounts: '$1', after: `'-infinity'` })},
             unseen AS (
               SELECT bound.account, counted.n, latest.closed_at FROM bound
               CROSS JOIN LATERAL (
                 SELECT closed_at FROM ${schema}.media m
                 WHERE m.status = '${status}' AND m.account = bound.account AND m.closed_at > bound.after
                 ORDER BY closed_at DESC LIMIT 1) AS latest
               CROSS JOIN LATERAL (
                 SELECT count(*) AS n FROM (
                   SELECT FROM ${schema}.media m
                   WHERE m.status = '${status}' AND m.account = bound.account AND m.closed_at > bound.after
                   LIMIT ${MAX_CLOSED_COUNT}) AS closed) AS counted),
             written AS (
               INSERT INTO ${schema}.acknowledgement AS a (account, status, until)
               -- The clock of the database may have been set back since the last of them closed.
               SELECT account, '${status}', greatest(clock_timestamp(), closed_at) FROM unseen ORDER BY account
               ON CONFLICT (account, status) DO UPDATE SET until = greatest(a.until, excluded.until)
               RETURNING account, until)
             SELECT account, n, until FROM written JOIN unseen USING (account) ORDER BY account`,
            [accounts ? [...accounts] : null],
          );
          const done = rows.map((row) => ({ account: row.account, count: Number(row.n), until: row.until }));
          await writeAuditEntries(
            transaction,
            schema,
            done.map(({ account, count }) => ({
              at: now,
              actor,
              action: 'acknowledge',
              target: account,
              accounts: [account],
              reason,
              detail: { status, count },
            })),
          );
          return done;
        });
      } catch (error) {
        throw isLockTimeout(error) ? new AcknowledgementBlockedError('items are being closed') : error;
      }
    },
  };
}
