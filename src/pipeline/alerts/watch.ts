/**
 * Tells somebody: each trouble once when it begins, again every six hours while it lasts, once when it ends. One
 * process at a time looks for all and says what is new; with the catalogue away each process says what is its own.
 */
import { randomUUID } from 'node:crypto';
import type { Alert } from '../../catalogue/alerts/alerts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Facts } from '../checks/check.ts';
import { type Finding, findingsOf } from '../checks/findings.ts';
import type { FactGatherer } from '../checks/gather.ts';
import { CHECK_CODES, type CheckCode, checkOf, isCheckCode } from '../checks/table.ts';
import { createFindingDebounce } from './debounce.ts';
import { createLocalFindings, type LocalFinding } from './local-findings.ts';
import { type AlertInput, type AlertNaming, createAlert } from './message.ts';
import type { AlertSender } from './sender.ts';

export interface AlertWatchDeps {
  catalogue: { leases: Pick<Catalogue['leases'], 'take' | 'drop'> } & Pick<Catalogue, 'alerts'>;
  gather: FactGatherer;
  sender: AlertSender;
  naming: AlertNaming;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'warn'>;
}

export interface AlertWatchOptions {
  /** Whether this process says that the catalogue is away: of a fleet of workers it would be one message each. */
  readonly alertsOnCatalogue: boolean;
  /** Default 30,000. */
  readonly everyMs?: number;
  /** How long a finding must last before it is told. Default: as its check says. */
  readonly afterMs?: (code: CheckCode) => number;
}

const LEASE = 'alerts';
const EVERY_MS = 30_000;
export const REPEAT_MS = 6 * 3_600_000;
const KEPT_MS = 30 * 24 * 3_600_000;
/** Sending with all its tries takes less. */
const CLAIM_MS = 120_000;
const CLAIM_LIMIT = 50;
const LONGEST_PAUSE_MS = 15 * 60_000;

/** Of a process, not of the whole: found by itself, ended when it stops reporting. */
const LOCAL_CODES = CHECK_CODES.filter((code) => checkOf(code).target === 'process');
const isLocal = ({ code }: { code: CheckCode }) => checkOf(code).target === 'process';

const isSame = (a: Finding, b: Finding) => a.code === b.code && a.target === b.target;

export interface AlertWatch {
  /** One look, and what follows from it. Never rejects, but with the reason of `signal`. */
  check(signal: AbortSignal): Promise<void>;
  /** Looks until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createAlertWatch(deps: AlertWatchDeps, options: AlertWatchOptions): AlertWatch {
  const { catalogue, clock, lifetimes } = deps;
  const { alerts: incidents } = catalogue;
  const { everyMs = EVERY_MS } = options;
  const holder = randomUUID();
  const local = createLocalFindings();
  const [lastingHere, lastingThere] = [
    createFindingDebounce(options.afterMs),
    createFindingDebounce(options.afterMs),
  ];
  /** Two looks and a half: a trouble that comes and goes is one, and every process has renewed its own. */
  const unseenMs = everyMs * 2.5;
  let leadsSinceMs: number | undefined;
  let failures = 0;
  let notBeforeMs = Number.NEGATIVE_INFINITY;

  const repeatBefore = () => new Date(clock.now().getTime() - lifetimes.scale(REPEAT_MS));

  /** How many of them, from the first on, were taken. A robot that takes none is left alone for longer and longer. */
  async function send(told: readonly AlertInput[], signal: AbortSignal): Promise<number> {
    if (told.length === 0 || performance.now() < notBeforeMs) return 0;
    const alerts = told.map((one) => createAlert(one, deps.naming));
    const { sent, sentCount: taken } = await deps.sender.send(alerts, signal);
    failures = sent ? 0 : failures + 1;
    if (!sent) notBeforeMs = performance.now() + Math.min(LONGEST_PAUSE_MS, everyMs * 2 ** failures);
    return sent ? told.length : taken;
  }

  /** What is new, what lasts and what is over, as far as nobody else is saying it. */
  async function say(signal: AbortSignal): Promise<void> {
    if (performance.now() < notBeforeMs) return;
    const now = clock.now();
    const until = new Date(now.getTime() + CLAIM_MS);
    const claimed = await incidents.claim(holder, { now, until, repeatBefore: repeatBefore() }, CLAIM_LIMIT);
    if (claimed.length === 0) return;
    const known = claimed.filter((one): one is Alert & { kind: CheckCode } => isCheckCode(one.kind));
    try {
      const taken = await send(
        known.map((one) => ({ ...one, code: one.kind })),
        signal,
      );
      if (taken > 0) await incidents.markSent(holder, known.slice(0, taken), clock.now());
    } finally {
      await incidents.release(holder);
    }
  }

  async function report(
    locals: readonly LocalFinding[],
    found: readonly Finding[],
    now: Date,
  ): Promise<void> {
    const rows = await incidents.report(
      // What this process reports of itself is found by the one that leads as well.
      [...locals, ...found.filter((one) => !locals.some((local) => isSame(local, one)))].map((one) => ({
        ...one,
        kind: one.code,
      })),
      now,
    );
    for (const one of locals) {
      const row = rows.find(({ kind, target }) => kind === one.code && target === one.target) as Alert;
      one.alertedAt = row.lastSentAt;
      one.isRecorded = true;
    }
  }

  /** Of the whole, seen by the one process that leads. */
  async function lookAtAll(here: Facts, signal: AbortSignal) {
    const parts = await Promise.all([
      deps.gather.catalogue(),
      deps.gather.queue(signal),
      deps.gather.store(signal),
    ]);
    const facts: Facts = Object.assign({}, here, ...parts);
    const { found, known } = findingsOf(facts);
    return { found: lastingThere(found), codes: known.filter((code) => !isLocal({ code })) };
  }

  async function lookForAll(here: Facts, signal: AbortSignal): Promise<void> {
    const lookedAt = clock.now();
    const until = new Date(lookedAt.getTime() + everyMs * 3);
    const leads = await catalogue.leases.take(LEASE, holder, lookedAt, until);
    updateLocal({ ...here, catalogue: { ok: true } });
    if (!leads) leadsSinceMs = undefined;
    const { found, codes } = leads ? await lookAtAll(here, signal) : { found: [], codes: [] };
    const now = clock.now();
    await report(local.open(), found, now);
    if (!leads) return;
    leadsSinceMs ??= performance.now();
    // Where nobody looked for a while, nobody saw: the others must have had the time to say that theirs last.
    if (performance.now() - leadsSinceMs >= unseenMs) {
      await incidents.endUnseen([...codes, ...LOCAL_CODES], new Date(now.getTime() - unseenMs), now);
      await incidents.deleteEnded(new Date(now.getTime() - KEPT_MS));
    }
    await say(signal);
  }

  function updateLocal(facts: Facts): void {
    const found = findingsOf(facts).found.filter(isLocal);
    const told = found.filter(({ code }) => code !== 'catalogue_away' || options.alertsOnCatalogue);
    local.update(lastingHere(told), clock.now());
  }

  /** There is nowhere to agree on who says it. */
  async function sayAlone(signal: AbortSignal): Promise<void> {
    const due = local.open().filter(({ alertedAt: saidAt }) => !saidAt || saidAt <= repeatBefore());
    const told = due.map((one) => ({ ...one, lastSaidAt: one.alertedAt }));
    const taken = await send(told, signal);
    for (const one of due.slice(0, taken)) one.alertedAt = clock.now();
  }

  async function sayEndsAlone(signal: AbortSignal): Promise<void> {
    const over = local.endedAlone();
    const taken = await send(over, signal);
    for (const one of over.slice(0, taken)) local.remove(one);
  }

  async function look(signal: AbortSignal): Promise<void> {
    const here = await deps.gather.process();
    try {
      await lookForAll(here, signal);
    } catch (error) {
      signal.throwIfAborted();
      leadsSinceMs = undefined;
      if (!(error instanceof DatabaseUnavailableError)) {
        deps.log.warn({ err: error }, 'could not look for what to alert of');
        return;
      }
      updateLocal({ ...here, catalogue: { ok: false } });
      await sayAlone(signal);
    }
    await sayEndsAlone(signal);
  }

  return {
    check: look,
    run: async (signal) => {
      while (!signal.aborted) {
        await look(signal).catch(() => undefined);
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
      await catalogue.leases.drop(LEASE, holder).catch(() => undefined);
    },
  };
}
