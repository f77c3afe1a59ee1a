/** One run from its script to its comparison. */
import { statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { createActions } from '../actions.ts';
import { type Fixture, openFixture } from '../fixture.ts';
import { type Say, startProcesses } from '../play.ts';
import { arrivalsFile, readArrivals, refusedFile } from './arrivals.ts';
import {
  type Comparison,
  compare,
  delayOf,
  type EventRow,
  findGaps,
  findImpossible,
  findUntold,
  type MediaState,
} from './check.ts';
import { startListeners } from './listeners.ts';
import { createLoad, openPool } from './load.ts';
import { type EventScript, READERS, RECEIVERS } from './plan.ts';

export interface PlayedListener extends Comparison {
  /** Of the calm at the beginning, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface PlayedEvents {
  readonly events: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly listeners: readonly PlayedListener[];
  /** Everything else that is wrong, as sentences. */
  readonly faults: readonly string[];
  /** How often each was killed. */
  readonly kills: Readonly<Record<string, number>>;
  readonly calmMs: number;
  /** From the end of the load until nothing was left to tell. */
  readonly quietAfterSeconds: number;
  readonly folder: string;
}

const POLL_MS = 500;
/** So many polls in a row must find nothing to do. */
const QUIET_POLLS = 4;
const PROGRESS_MS = 15_000;
/** No kill is left out because an earlier one took long. */
const ACTIONS_MARGIN_MS = 300_000;
const REDRIVEN = 'coalesce(redrives, 0) AS redrives';

interface Left {
  readonly head: number;
  readonly outbox: number;
  readonly pending: number;
  readonly tasks: number;
  readonly undelivered: number;
}

async function readLeft(pool: pg.Pool): Promise<Left> {
  const { rows } = await pool.query<Record<keyof Left, string>>(
    `SELECT (SELECT position FROM wma.event_head) AS head, (SELECT count(*) FROM wma.event_outbox) AS outbox,
       (SELECT count(*) FROM wma.media WHERE status = 'pending') AS pending,
       (SELECT count(*) FROM wma.redrive WHERE state = 'running')
         + (SELECT count(*) FROM wma.erasure WHERE finished_at IS NULL) AS tasks,
       (SELECT count(*) FROM wma.webhook_delivery WHERE state = 'pending')
         + (SELECT sum(h.position - e.position) FROM wma.webhook_endpoint e, wma.event_head h) AS undelivered`,
  );
  const { head, outbox, pending, tasks, undelivered } = rows[0]!;
  return {
    head: Number(head),
    outbox: Number(outbox),
    pending: Number(pending),
    tasks: Number(tasks),
    undelivered: Number(undelivered),
  };
}

const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Waits until nothing is left to do and the readers have the last event; at most `limitMs`. */
async function untilQuiet(fixture: Fixture, pool: pg.Pool, limitMs: number, say: Say): Promise<number> {
  const startedAt = performance.now();
  let quiet = 0;
  let saidAt = 0;
  let size = -1;
  while (quiet < QUIET_POLLS && performance.now() - startedAt < limitMs) {
    await wait(POLL_MS);
    const left = await readLeft(pool).catch(() => undefined);
    if (!left) continue;
    const isDone = left.outbox + left.pending + left.tasks + left.undelivered === 0;
    const readTo = isDone
      ? READERS.map((who) => Math.max(0, ...lastSequences(fixture.folder, who)))
      : READERS.map(() => 0);
    const sizeNow = RECEIVERS.reduce((sum, who) => sum + sizeOf(arrivalsFile(fixture.folder, who)), 0);
    quiet = isDone && sizeNow === size && readTo.every((sequence) => sequence === left.head) ? quiet + 1 : 0;
    size = sizeNow;
    if (performance.now() - saidAt < PROGRESS_MS) continue;
    saidAt = performance.now();
    say(`${left.head} events, ${left.pending} items pending, ${left.undelivered} webhooks to be delivered`);
  }
  return performance.now() - startedAt;
}

const lastSequences = (folder: string, who: string) =>
  sizeOf(arrivalsFile(folder, who)) === 0
    ? []
    : readArrivals(folder, who)
        .slice(-1)
        .map(([, sequence]) => sequence);

async function readTable(pool: pg.Pool): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow & { position: string }>(
    `SELECT position, 'evt_' || replace(id::text, '-', '') AS id, type, account, media
     FROM wma.event ORDER BY position`,
  );
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

function countTypes(rows: readonly EventRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of rows) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

export async function playEvents(
  script: EventScript,
  { keep = false, quietLimitMs }: { keep?: boolean; quietLimitMs: number },
  say: Say,
): Promise<PlayedEvents> {
  const { lifeMs, loadMs, calmMs } = script;
  const fixture = await openFixture({
    shape: 'redis',
    lifeMs,
    keep,
    env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.0/8', LOG_LEVEL: 'info' },
  });
  try {
    say(`folder ${fixture.folder}`);
    await startProcesses(fixture);
    const listeners = await startListeners(fixture);
    const load = createLoad(fixture, script);
    const pool = openPool(fixture);
    fixture.closeFirst(async () => {
      await load.close();
      await pool.end();
    });
    // Endpoints begin at the end of the feed.
    const { head: after } = await readLeft(pool);
    const killCount = script.actions.length + script.kills.length;
    say(`ready; about ${script.events} events and ${killCount} kills in ${loadMs / 1000} s`);
    const actions = createActions(fixture, AbortSignal.timeout(loadMs + ACTIONS_MARGIN_MS));
    const startedAt = performance.now();
    const startedMs = Date.now();
    const [killed] = await Promise.all([
      listeners.play(script.kills, startedAt),
      actions.play(script.actions, startedAt),
      load.play(startedAt),
    ]);
    say('all done, all are up again; waiting until nothing is left to tell');
    const quietAfterMs = await untilQuiet(fixture, pool, quietLimitMs, say);
    const rows = await readTable(pool);
    const { outbox } = await readLeft(pool);
    const { rows: items } = await pool.query<MediaState>(`SELECT id, status, ${REDRIVEN} FROM wma.media`);
    const heard = [...RECEIVERS, ...READERS].map((name) => ({
      name,
      isOrdered: READERS.some((reader) => reader === name),
      after: READERS.some((reader) => reader === name) ? 0 : after,
      arrivals: readArrivals(fixture.folder, name),
    }));
    return {
      events: rows.length,
      byType: countTypes(rows),
      listeners: heard.map((one) => ({
        ...compare(rows, one),
        p50Ms: delayOf(one.arrivals, startedMs, startedMs + calmMs, 0.5),
        p99Ms: delayOf(one.arrivals, startedMs, startedMs + calmMs, 0.99),
      })),
      faults: [
        ...(outbox > 0 ? [`${outbox} events wait for a position`] : []),
        ...findGaps(rows),
        ...findImpossible(rows),
        ...findUntold(rows, items),
        ...RECEIVERS.filter((who) => sizeOf(refusedFile(fixture.folder, who)) > 0).map(
          (who) => `${who} refused a request`,
        ),
        ...[...fixture.processes.crashes, ...listeners.processes.crashes],
      ],
      kills: { ...actions.count, ...killed },
      calmMs,
      quietAfterSeconds: Math.round(quietAfterMs / 1000),
      folder: fixture.folder,
    };
  } finally {
    await fixture.close();
  }
}
