/**
 * Makes durable what must be durable before a response is sent: in the catalogue, or in the spool on the local disk
 * while the database is down or responds too late (database-availability.ts).
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Accepted } from '../../catalogue/media/insert.ts';
import { idOf, type ReferenceInput } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createRepeatedLog } from '../../runtime/repeated-log.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';
import type { Spool, SpoolSize } from '../../spool/spool.ts';
import { isNeverStorable } from '../../storable.ts';
import {
  createDatabaseAvailability,
  type DatabaseAvailability,
  type DatabaseAvailabilityTiming,
} from './database-availability.ts';
import { type AcceptReferences, OverloadedError, resolveReference } from './insert-batcher.ts';
import { createEntryWriter, type EntryWriterDeps, type SpoolEntry, serializeEntry } from './spool-entry.ts';

/** An item on disk. `spooled`: it is not in the catalogue yet; a row that exists already stays as it is. */
export type Ingested = Accepted & { readonly spooled?: true };

export interface Ingest extends Pick<DatabaseAvailability, 'suspect' | 'run'> {
  /** Takes the references of a callback: never refused while the catalogue or the spool can be written. */
  ingestCallback(references: readonly ReferenceInput[]): Promise<Ingested[]>;
  /** Takes references of the API: refused early with an OverloadedError, so that there is space for callbacks. */
  ingestRequest(references: readonly ReferenceInput[]): Promise<Ingested[]>;
  /** Requests that the messages of a customer-service account are read. */
  requestKfSync(account: string, openKfId: string, encryptedToken: string): Promise<void>;
  /** Stores a secret that came by callback. The latest one counts. */
  storeSecret(secret: { name: string; encrypted: string }): Promise<void>;
  readonly state: IngestState;
}

export interface IngestState {
  /** The database did not respond when it was last used. */
  readonly isDatabaseDown: boolean;
  /** What waits in the spool. Absent where there is no spool. */
  readonly spool?: SpoolSize & { readonly isWritable: boolean };
}

export interface SpoolUseChange extends SpoolSize {
  readonly state: 'begun' | 'ended';
  readonly at: Date;
}

export interface IngestDeps extends EntryWriterDeps {
  catalogue: EntryWriterDeps['catalogue'] & Pick<Catalogue, 'ping'>;
  accept: AcceptReferences;
  accounts: Pick<Accounts, 'find'>;
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'received' | 'spooled' | 'backgroundErrors'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  tracer?: Tracer;
  /** Absent where DATA_DIR cannot be written. */
  spool?: Spool;
  /** Called when the first record went into the spool, and when the last one left it. */
  onSpoolUse?: (use: SpoolUseChange) => void;
}

/** The part of the spool that the API may fill. The rest is for callbacks, which WeChat does not send again. */
const API_SPOOL_SHARE = 0.75;
/** References of the API that may wait in memory; half of the limit of insert-batcher.ts, for the same reason. */
const API_WAITING_LIMIT = 10_000;

interface WriteOptions<T> {
  insert(): Promise<T>;
  entries(): readonly SpoolEntry[];
  /** The result where the entries went into the spool. */
  spooled(): T;
  /** The part of the spool that may be full afterwards, from 0 to 1. */
  readonly spoolShare: number;
  /** Whether an error of `insert` goes to the caller and is no reason to use the spool. */
  isRefusal(error: unknown): boolean;
}

export function createIngest(deps: IngestDeps, timing: DatabaseAvailabilityTiming = {}): Ingest {
  const { catalogue, accept, accounts, clock, log, metrics, spool } = deps;
  const writeEntries = createEntryWriter(deps);
  const spoolErrors = createRepeatedLog(log);
  let isSpoolUsed = false;

  function reportSpoolUse(): void {
    if (!spool) return;
    const { size } = spool;
    if (size.records > 0 === isSpoolUsed) return;
    isSpoolUsed = !isSpoolUsed;
    deps.onSpoolUse?.({ state: isSpoolUsed ? 'begun' : 'ended', at: clock.now(), ...size });
  }

  const database = createDatabaseAvailability(
    {
      catalogue,
      log,
      metrics,
      replay: async (signal) => {
        try {
          await spool?.drain(writeEntries, signal);
        } finally {
          reportSpoolUse();
        }
      },
    },
    timing,
  );

  /** Resolves when the entries are on disk. Rejects with `cause` where the spool cannot be written either. */
  async function writeToSpool(entries: readonly SpoolEntry[], share: number, cause: unknown): Promise<void> {
    if (!spool) throw cause;
    try {
      await spool.append(entries.map(serializeEntry), share);
    } catch (error) {
      spoolErrors.write(
        'error',
        'append',
        { err: error },
        'ingest: neither catalogue nor spool can be written',
      );
      throw cause;
    }
    metrics.spooled.inc(entries.length);
    reportSpoolUse();
    database.notify();
  }

  async function writeDurably<T>(options: WriteOptions<T>): Promise<T> {
    let cause: unknown = new DatabaseUnavailableError('the database is down and the spool cannot be written');
    if (!database.isDown) {
      try {
        return await database.withTimeout(options.insert());
      } catch (error) {
        if (options.isRefusal(error) || isNeverStorable(error)) throw error;
        if (error instanceof DatabaseUnavailableError) database.setDown(error);
        cause = error;
      }
    }
    await writeToSpool(options.entries(), options.spoolShare, cause);
    return options.spooled();
  }

  function ingestReferences(inputs: readonly ReferenceInput[], isApi: boolean): Promise<Ingested[]> {
    const now = clock.now();
    // Resolved here: an unknown account is refused although the database is down, and sentAt is the time of acceptance.
    // The trace of an item begins where it is accepted, if its producer has named none.
    const traceparent = deps.tracer?.active().traceparent;
    const references = inputs.map((input) => {
      const reference = resolveReference(input, accounts, now);
      return traceparent === undefined || reference.traceparent ? reference : { ...reference, traceparent };
    });
    if (references.length === 0) return Promise.resolve([]);
    return writeDurably<Ingested[]>({
      insert: async () => accept(references, isApi ? { waitingLimit: API_WAITING_LIMIT } : {}),
      entries: () => references.map((reference) => ({ kind: 'media', reference })),
      spooled: () =>
        references.map(({ account, mediaId }) => ({
          id: idOf(account, mediaId),
          account,
          status: 'pending',
          created: true,
          spooled: true,
        })),
      spoolShare: isApi ? API_SPOOL_SHARE : 1,
      isRefusal: (error) => isApi && error instanceof OverloadedError,
    });
  }

  const writeEntry = (insert: () => Promise<void>, entry: SpoolEntry) =>
    writeDurably({
      insert,
      entries: () => [entry],
      spooled: () => undefined,
      spoolShare: 1,
      isRefusal: () => false,
    });

  return {
    ingestCallback: async (references) => ingestReferences(references, false),
    ingestRequest: async (references) => ingestReferences(references, true),
    requestKfSync: (account, openKfId, encryptedToken) => {
      const at = clock.now();
      return writeEntry(() => catalogue.kfCursors.requestRead(account, openKfId, encryptedToken, at), {
        kind: 'sync',
        account,
        openKfId,
        encryptedToken,
        at,
      });
    },
    storeSecret: ({ name, encrypted }) => {
      const at = clock.now();
      return writeEntry(() => catalogue.encryptedSecrets.writeUnlessNewer(name, encrypted, at), {
        kind: 'secret',
        name,
        encrypted: encrypted,
        at,
      });
    },
    get state() {
      const { isDown: isDatabaseDown } = database;
      return { isDatabaseDown, ...(spool ? { spool: { ...spool.size, isWritable: spool.isWritable } } : {}) };
    },
    suspect: database.suspect,
    run: database.run,
  };
}
