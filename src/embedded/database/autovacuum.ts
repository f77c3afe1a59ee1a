/** VACUUM, ANALYZE and CHECKPOINT, which a Postgres server runs in the background and single-user mode does not. */
import type { Pool } from 'pg';
import { createPollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';

export interface Autovacuum {
  /** Runs once; a call during a run joins it. The poll loop calls this. */
  runOnce(): Promise<void>;
  /** Stops the poll loop and waits for a run in progress. */
  close(): Promise<void>;
}

/** Tables that changed by more than a fifth: autovacuum's own rule, at its default threshold and scale. */
const CHANGED_TABLES = `
  SELECT format('%I.%I', schemaname, relname) AS name FROM pg_stat_user_tables
  WHERE greatest(n_dead_tup, n_ins_since_vacuum, n_mod_since_analyze) > 50 + 0.2 * n_live_tup`;

/**
 * Each table is a statement of its own, so that other clients get their turn in between (VACUUM allows no other
 * statement beside it). Without checkpoints the write-ahead log grows by 4.4 MB per 1,000 jobs; with them it stays at
 * 65 MB.
 */
export function createAutovacuum(
  pool: Pick<Pool, 'query'>,
  options: PollLoopDeps & { everyMs: number },
): Autovacuum {
  const { log, metrics, everyMs } = options;
  const stop = new AbortController();
  let running: Promise<void> | undefined;

  async function vacuum(): Promise<void> {
    // Postgres would otherwise update its statistics at most once a second.
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query<{ name: string }>(CHANGED_TABLES);
    for (const { name } of rows) if (!stop.signal.aborted) await pool.query(`VACUUM (ANALYZE) ${name}`);
    if (!stop.signal.aborted) await pool.query('CHECKPOINT');
  }
  const runOnce = () => {
    running ??= vacuum().finally(() => {
      running = undefined;
    });
    return running;
  };

  const loop = createPollLoop({
    name: 'autovacuum',
    everyMs,
    waitsFirst: true,
    log,
    metrics,
    work: runOnce,
  }).run(stop.signal);
  return {
    runOnce,
    close: async () => {
      stop.abort();
      await loop;
    },
  };
}
