/**
 * The alert loop: each alert is sent once when it begins, again every six hours while it lasts, and once when it ends.
 * One process at a time checks the whole installation and sends what is new. While the catalogue is unavailable each
 * process sends the alerts about itself.
 */
import { randomUUID } from 'node:crypto';
import type { Alert } from '../../catalogue/alerts/alerts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import { createLease } from '../../runtime/lease.ts';
import { createPollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';
import type { Facts } from '../checks/check.ts';
import { type Finding, findingsOf } from '../checks/findings.ts';
import type { FactGatherer } from '../checks/gather.ts';
import { CHECK_CODES, type CheckCode, checkOf, isCheckCode } from '../checks/table.ts';
import { createFindingDebounce } from './debounce.ts';
import { createLocalFindings, type LocalFinding } from './local-findings.ts';
import { type AlertInput, type AlertNaming, createAlert } from './message.ts';
import type { AlertSender } from './sender.ts';

export interface AlertWatchDeps extends PollLoopDeps {
  catalogue: { leases: Pick<Catalogue['leases'], 'take' | 'drop'> } & Pick<Catalogue, 'alerts'>;
  gather: FactGatherer;
  /** Undefined: nowhere to send to. What began and ended is recorded all the same. */
  sender: AlertSender | undefined;
  naming: AlertNaming;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
}

export interface AlertWatchOptions {
  /** Whether this process alerts when the catalogue is unavailable. Not in workers: it would be one message of each. */
  readonly alertsOnCatalogue: boolean;
  /** Default 30,000. */
  readonly everyMs?: number;
  /** How long a finding must last before it is sent. Default: `alertAfterMs` of its check. */
  readonly afterMs?: (code: CheckCode) => number;
}

const EVERY_MS = 30_000;
export const REPEAT_MS = 6 * 3_600_000;
const RETENTION_MS = 30 * 24 * 3_600_000;
/** Longer than sending with all of its attempts. */
const CLAIM_MS = 120_000;
const CLAIM_LIMIT = 50;
const MAX_PAUSE_MS = 15 * 60_000;

/** Codes about a single process: it finds them itself, and they end when it stops reporting them. */
const LOCAL_CODES = CHECK_CODES.filter((code) => checkOf(code).target === 'process');
const isLocal = ({ code }: { code: CheckCode }) => checkOf(code).target === 'process';

const isSame = (a: Finding, b: Finding) => a.code === b.code && a.target === b.target;

export interface AlertWatch {
  /**
   * Checks once, and sends what follows from it. Resolves with the error that prevented a part of it, if there was one.
   * Rejects with the reason of `signal` only.
   */
  check(signal: AbortSignal): Promise<unknown>;
  /** Checks until the signal aborts, then gives the lease back. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createAlertWatch(deps: AlertWatchDeps, options: AlertWatchOptions): AlertWatch {
  const { catalogue, clock, lifetimes } = deps;
  const { alerts } = catalogue;
  const { everyMs = EVERY_MS } = options;
  const lease = createLease({ leases: catalogue.leases, clock }, { name: 'alerts', durationMs: everyMs * 3 });
  const holder = randomUUID();
  const local = createLocalFindings();
  const debounceLocal = createFindingDebounce(options.afterMs);
  const debounceGlobal = createFindingDebounce(options.afterMs);
  /** Two turns and a half: a finding that comes and goes is one alert, and every process has renewed its own. */
  const unseenMs = everyMs * 2.5;
  let leaderSinceMs: number | undefined;
  let failures = 0;
  let notBeforeMs = Number.NEGATIVE_INFINITY;

  const repeatBefore = () => new Date(clock.now().getTime() - lifetimes.scale(REPEAT_MS));

  /** Resolves with how many, from the first on, were accepted. After failures the pause grows up to 15 minutes. */
  async function send(inputs: readonly AlertInput[], signal: AbortSignal): Promise<number> {
    if (!deps.sender || inputs.length === 0 || performance.now() < notBeforeMs) return 0;
    const messages = inputs.map((input) => createAlert(input, deps.naming));
    const { sent, sentCount } = await deps.sender.send(messages, signal);
    failures = sent ? 0 : failures + 1;
    if (!sent) notBeforeMs = performance.now() + Math.min(MAX_PAUSE_MS, everyMs * 2 ** failures);
    return sent ? inputs.length : sentCount;
  }

  /** Sends what is new, what lasts and what has ended, unless another process has claimed it. */
  async function sendClaimed(signal: AbortSignal): Promise<void> {
    if (performance.now() < notBeforeMs) return;
    const now = clock.now();
    const until = new Date(now.getTime() + CLAIM_MS);
    const claimed = await alerts.claim(holder, { now, until, repeatBefore: repeatBefore() }, CLAIM_LIMIT);
    if (claimed.length === 0) return;
    const known = claimed.filter((one): one is Alert & { kind: CheckCode } => isCheckCode(one.kind));
    const inputs = known.map((one) => ({ ...one, code: one.kind }));
    try {
      const sentCount = await send(inputs, signal);
      if (sentCount > 0) await alerts.markSent(holder, known.slice(0, sentCount), clock.now());
    } finally {
      await alerts.release(holder);
    }
  }

  async function report(
    locals: readonly LocalFinding[],
    found: readonly Finding[],
    now: Date,
  ): Promise<void> {
    // The leading process finds what it reports about itself a second time.
    const others = found.filter((one) => !locals.some((finding) => isSame(finding, one)));
    const conditions = [
      ...locals.map((one) => ({ ...one, kind: one.code, sentAt: one.alertedAt })),
      ...others.map((one) => ({ ...one, kind: one.code })),
    ];
    const rows = await alerts.report(conditions, now);
    for (const one of locals) {
      const row = rows.find(({ kind, target }) => kind === one.code && target === one.target);
      one.alertedAt = row?.lastSentAt;
      one.isRecorded = true;
    }
  }

  /** Checks the whole installation. Only the leading process does. */
  async function checkAll(ownFacts: Facts, signal: AbortSignal) {
    const { gather } = deps;
    const parts = await Promise.all([gather.catalogue(), gather.queue(signal), gather.store(signal)]);
    const facts: Facts = Object.assign({}, ownFacts, ...parts);
    const { found, known } = findingsOf(facts);
    return { found: debounceGlobal(found), codes: known.filter((code) => !isLocal({ code })) };
  }

  async function checkWithCatalogue(ownFacts: Facts, signal: AbortSignal): Promise<void> {
    const isLeader = await lease.take();
    updateLocal({ ...ownFacts, catalogue: { ok: true } });
    if (!isLeader) leaderSinceMs = undefined;
    const { found, codes } = isLeader ? await checkAll(ownFacts, signal) : { found: [], codes: [] };
    const now = clock.now();
    await report(local.open(), found, now);
    if (!isLeader) return;
    leaderSinceMs ??= performance.now();
    // After a time without a leader the other processes need time to renew their alerts before any is ended.
    if (performance.now() - leaderSinceMs >= unseenMs) {
      await alerts.endUnseen([...codes, ...LOCAL_CODES], new Date(now.getTime() - unseenMs), now);
      await alerts.deleteEnded(new Date(now.getTime() - RETENTION_MS));
    }
    if (deps.sender) await sendClaimed(signal);
    else await alerts.markEndsSent(now);
  }

  function updateLocal(facts: Facts): void {
    const found = findingsOf(facts).found.filter(isLocal);
    const own = found.filter(({ code }) => code !== 'catalogue_away' || options.alertsOnCatalogue);
    local.update(debounceLocal(own), clock.now());
  }

  /** Without the catalogue the processes cannot agree on which of them sends an alert. */
  async function sendLocal(signal: AbortSignal): Promise<void> {
    const due = local.open().filter(({ alertedAt }) => !alertedAt || alertedAt <= repeatBefore());
    const inputs = due.map((one) => ({ ...one, lastSentAt: one.alertedAt }));
    const sentCount = await send(inputs, signal);
    for (const one of due.slice(0, sentCount)) one.alertedAt = clock.now();
  }

  async function sendLocalEnds(signal: AbortSignal): Promise<void> {
    const ended = local.endedAlone();
    const sentCount = await send(ended, signal);
    for (const one of ended.slice(0, sentCount)) local.remove(one);
  }

  async function check(signal: AbortSignal): Promise<unknown> {
    const ownFacts = await deps.gather.process();
    let problem: unknown;
    try {
      await checkWithCatalogue(ownFacts, signal);
    } catch (error) {
      signal.throwIfAborted();
      problem = error;
      leaderSinceMs = undefined;
      if (!(error instanceof DatabaseUnavailableError)) return problem;
      updateLocal({ ...ownFacts, catalogue: { ok: false } });
      await sendLocal(signal);
    }
    await sendLocalEnds(signal);
    return problem;
  }

  const loop = createPollLoop({
    name: 'alerts',
    everyMs,
    log: deps.log,
    metrics: deps.metrics,
    sleep: clock.sleep,
    lease,
    work: async (signal) => {
      const problem = await check(signal);
      if (problem !== undefined) throw problem;
    },
  });

  return { check, run: loop.run };
}
