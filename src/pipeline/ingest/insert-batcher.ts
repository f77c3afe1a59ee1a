/** Accepting references: durable before the answer, grouped into one statement while another is on its way. */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseAwayError } from '../../catalogue/database/database.ts';
import type { Accepted } from '../../catalogue/media/insert.ts';
import type { Reference, ReferenceInput } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';

/** More is waiting to be written than is kept in memory; the caller should come back later. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

/** The reference names an account that is not configured. */
export class UnknownAccountError extends Error {
  override readonly name = 'UnknownAccountError';
}

/** The catalogue is away or has no room for more: says nothing about the media. */
export function isCatalogueUnavailable(error: unknown): boolean {
  return error instanceof DatabaseAwayError || error instanceof OverloadedError;
}

export interface InsertBatcherDeps {
  catalogue: { media: Pick<Catalogue['media'], 'insert'> };
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'received'>;
  /** Called when new rows are on disk: wakes the feeder of this process. */
  onAccepted: () => void;
}

const GROUP_SIZE = 500;
const WAITING_LIMIT = 20_000;
/** Feeders elsewhere poll four times a second anyway; notifying more often only costs Postgres a lock. */
const NOTIFY_EVERY_MS = 50;

interface Waiting {
  references: readonly Reference[];
  resolve(accepted: Accepted[]): void;
  reject(error: unknown): void;
}

/** `waitingLimit`: refused when more than this would wait, so that more important callers find room. */
export type AcceptReferences = (
  references: readonly Reference[],
  options?: { waitingLimit?: number },
) => Promise<Accepted[]>;

/** Replaces the account's name by its identity, and a missing `sentAt` by now. Throws {@link UnknownAccountError}. */
export function resolveReference(
  input: ReferenceInput,
  accounts: Pick<Accounts, 'find'>,
  now: Date,
): Reference {
  const account = accounts.find(input.account);
  if (!account) throw new UnknownAccountError(`the account ${input.account} is not configured`);
  return { ...input, account: account.account, sentAt: input.sentAt ?? now };
}

/**
 * Resolves once every given reference is on disk, in the order given. Throws {@link OverloadedError} when too much
 * waits, DatabaseAwayError when the catalogue is away.
 */
export function createInsertBatcher(deps: InsertBatcherDeps): AcceptReferences {
  const waiting: Waiting[] = [];
  let waitingReferences = 0;
  let writing = false;
  let notifiedAtMs = Number.NEGATIVE_INFINITY;

  async function write(references: readonly Reference[]): Promise<Accepted[]> {
    const notify = performance.now() - notifiedAtMs >= NOTIFY_EVERY_MS;
    if (notify) notifiedAtMs = performance.now();
    const accepted = await deps.catalogue.media.insert(references, deps.clock.now(), notify);
    const created = accepted.filter((one) => one.created).length;
    if (created > 0) {
      deps.metrics.received.inc(created);
      deps.onAccepted();
    }
    return accepted;
  }

  function nextGroup(): Waiting[] {
    const group: Waiting[] = [];
    let size = 0;
    while (waiting[0] && (size === 0 || size + waiting[0].references.length <= GROUP_SIZE)) {
      const one = waiting.shift() as Waiting;
      group.push(one);
      size += one.references.length;
    }
    waitingReferences -= size;
    return group;
  }

  async function writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const accepted = await write(group.flatMap((one) => one.references));
      let from = 0;
      for (const one of group) {
        one.resolve(accepted.slice(from, from + one.references.length));
        from += one.references.length;
      }
    } catch (error) {
      // One bad reference must not fail its neighbours; a database that is away fails them all alike.
      if (group.length === 1 || error instanceof DatabaseAwayError) {
        for (const one of group) one.reject(error);
      } else {
        for (const one of group) await writeGroup([one]);
      }
    }
  }

  async function drain(): Promise<void> {
    if (writing) return;
    writing = true;
    while (waiting.length > 0) await writeGroup(nextGroup());
    writing = false;
  }

  return (references, { waitingLimit = WAITING_LIMIT } = {}) => {
    if (references.length === 0) return Promise.resolve([]);
    if (waitingReferences + references.length > waitingLimit) {
      throw new OverloadedError('too many references are waiting to be written');
    }
    return new Promise((resolve, reject) => {
      waiting.push({ references, resolve, reject });
      waitingReferences += references.length;
      void drain();
    });
  };
}
