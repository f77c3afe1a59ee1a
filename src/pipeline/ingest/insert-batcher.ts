/** Inserts references in batches: those that arrive while one statement runs share the next one. */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Accepted } from '../../catalogue/media/insert.ts';
import type { Reference, ReferenceInput } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import { createBatcher } from '../../runtime/concurrency/batcher.ts';
import type { Metrics } from '../../runtime/metrics.ts';

/** More references wait to be written than may be kept in memory. The caller should retry later. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

/** The reference names an account that is not configured. */
export class UnknownAccountError extends Error {
  override readonly name = 'UnknownAccountError';
}

/** Whether an error means that the catalogue is unavailable or overloaded, and nothing about the media item. */
export function isCatalogueUnavailable(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError || error instanceof OverloadedError;
}

export interface InsertBatcherDeps {
  catalogue: { media: Pick<Catalogue['media'], 'insert'> };
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'received'>;
  /** Called when new rows are on disk: wakes the dispatcher of this process. */
  onAccepted: () => void;
}

const MAX_BATCH_SIZE = 500;
const WAITING_LIMIT = 20_000;
/** Dispatchers of other processes poll four times a second anyway; each NOTIFY costs Postgres a lock. */
const NOTIFY_EVERY_MS = 50;

/**
 * Resolves once every reference is on disk, in the order given. Throws an {@link OverloadedError} when more than
 * `waitingLimit` references would wait (default 20,000; lower for less important callers). Rejects with a DatabaseUnavailableError while the catalogue is unavailable.
 */
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

export function createInsertBatcher(deps: InsertBatcherDeps): AcceptReferences {
  let notifiedAtMs = Number.NEGATIVE_INFINITY;

  async function insert(references: readonly Reference[]): Promise<Accepted[]> {
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

  const batcher = createBatcher<readonly Reference[], Accepted[]>({
    maxSize: MAX_BATCH_SIZE,
    sizeOf: (references) => references.length,
    isShared: (error) => error instanceof DatabaseUnavailableError,
    write: async (calls) => {
      const accepted = await insert(calls.flat());
      let from = 0;
      return calls.map(({ length }) => {
        from += length;
        return accepted.slice(from - length, from);
      });
    },
  });

  return (references, { waitingLimit = WAITING_LIMIT } = {}) => {
    if (references.length === 0) return Promise.resolve([]);
    if (batcher.waitingSize + references.length > waitingLimit) {
      throw new OverloadedError('too many references are waiting to be written');
    }
    return batcher.add(references);
  };
}
