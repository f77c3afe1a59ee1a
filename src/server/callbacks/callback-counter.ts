/** Callbacks counted in memory and written every few seconds: never in the way of an answer. */
import type { CallbackCount, CallbackSign } from '../../catalogue/accounts/callback-counts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

export interface CallbackCounter {
  /** A message by its type, or a handshake. */
  countReceived(account: string, type: string): void;
  countRefused(account: string, code: string): void;
  /** How far our clock is from the timestamp WeChat signed; positive: ahead of it. */
  recordClockSkew(account: string, seconds: number): void;
  /** Writes what has been counted, and ends. What cannot be written then is let go. */
  close(): Promise<void>;
}

/** WeChat gives up on a callback after five seconds and sends it again: what is this far off is a clock. */
export const SKEW_SECONDS = 120;
const SKEW_SAID_EVERY_MS = 3_600_000;
const FLUSH_MS = 2_000;
/** Where the catalogue is away. */
const FLUSH_AGAIN_MS = 15_000;
const KEPT_DAYS = 31;

/** Types come from outside: whatever else is sent counts as one. */
const TYPES: ReadonlySet<string> = new Set([
  'text',
  'image',
  'voice',
  'video',
  'shortvideo',
  'location',
  'link',
  'file',
  'miniprogrampage',
  'event',
  'component_verify_ticket',
  'info',
  'handshake',
]);

export const dayOf = (date: Date): string => date.toISOString().slice(0, 10);
export const daysBefore = (date: Date, days: number): string =>
  dayOf(new Date(date.getTime() - days * 86_400_000));

export function createCallbackCounter(deps: {
  catalogue: Pick<Catalogue, 'callbacks'>;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'warn'>;
}): CallbackCounter {
  // As many entries as there are accounts, types and days not yet written: never more.
  let counts = new Map<string, CallbackCount>();
  let signs = new Map<string, CallbackSign>();
  const skewSaidAt = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<boolean> = Promise.resolve(true);
  let isClosed = false;

  function count(one: CallbackCount): void {
    const key = JSON.stringify([one.account, one.day, one.refused, one.what]);
    counts.set(key, { ...one, count: one.count + (counts.get(key)?.count ?? 0) });
  }

  function sign(account: string, what: Partial<CallbackSign>): void {
    signs.set(account, { ...signs.get(account), ...what, account });
  }

  function writeAfter(ms: number): void {
    if (timer || isClosed) return;
    timer = setTimeout(async () => {
      writing = write();
      const isWritten = await writing;
      timer = undefined;
      if (!isWritten || counts.size > 0) writeAfter(isWritten ? FLUSH_MS : FLUSH_AGAIN_MS);
    }, ms).unref();
  }

  async function write(): Promise<boolean> {
    const [ours, ourSigns] = [counts, signs];
    [counts, signs] = [new Map(), new Map()];
    if (ours.size === 0 && ourSigns.size === 0) return true;
    const { callbacks } = deps.catalogue;
    try {
      await callbacks.add(
        [...ours.values()],
        [...ourSigns.values()],
        daysBefore(deps.clock.now(), KEPT_DAYS),
      );
      return true;
    } catch {
      // Where only the answer was lost they are counted twice: these are numbers to look at.
      for (const one of ours.values()) count(one);
      for (const one of ourSigns.values()) sign(one.account, { ...one, ...signs.get(one.account) });
      return false;
    }
  }

  return {
    countReceived: (account, type) => {
      const now = deps.clock.now();
      count({ account, day: dayOf(now), refused: false, what: TYPES.has(type) ? type : 'other', count: 1 });
      sign(account, { lastCallbackAt: now });
      writeAfter(FLUSH_MS);
    },
    countRefused: (account, code) => {
      count({ account, day: dayOf(deps.clock.now()), refused: true, what: code, count: 1 });
      writeAfter(FLUSH_MS);
    },
    recordClockSkew: (account, seconds) => {
      const at = deps.clock.now();
      sign(account, { clockSkew: { seconds, at } });
      writeAfter(FLUSH_MS);
      const saidAt = skewSaidAt.get(account) ?? Number.NEGATIVE_INFINITY;
      if (Math.abs(seconds) <= SKEW_SECONDS || at.getTime() - saidAt < SKEW_SAID_EVERY_MS) return;
      skewSaidAt.set(account, at.getTime());
      deps.log.warn(
        { account, skewSeconds: seconds },
        `the clock of this server is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'ahead of' : 'behind'} WeChat's: set it by NTP`,
      );
    },
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
