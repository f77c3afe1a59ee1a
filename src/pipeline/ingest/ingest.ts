/**
 * The door for everything that must be durable before it is answered: into the catalogue, and into the spool on the
 * local disk while the catalogue is away or does not answer in time; see presence.ts.
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseAwayError } from '../../catalogue/database/database.ts';
import type { Accepted } from '../../catalogue/media/insert.ts';
import { idOf, type ReferenceInput } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Spool, SpoolSize } from '../../spool/spool.ts';
import { isNeverStorable } from '../../storable.ts';
import {
  createDatabaseAvailability,
  type DatabaseAvailability,
  type DatabaseAvailabilityTiming,
} from './database-availability.ts';
import { type AcceptReferences, OverloadedError, resolveReference } from './insert-batcher.ts';
import { createEntryWriter, type EntryWriterDeps, type SpoolEntry, serializeEntry } from './spool-entry.ts';

/** On disk; `spooled`: not in the catalogue yet, and a row that is there already stays as it is. */
export type Ingested = Accepted & { readonly spooled?: true };

export interface Ingest extends Pick<DatabaseAvailability, 'suspect' | 'run'> {
  /** References of a callback: never refused while they can be made durable anywhere. */
  ingestCallback(references: readonly ReferenceInput[]): Promise<Ingested[]>;
  /** References of the API: refused with OverloadedError early, so that callbacks find room. */
  ingestRequest(references: readonly ReferenceInput[]): Promise<Ingested[]>;
  /** A customer-service account is to be read. */
  requestKfSync(account: string, openKfId: string, sealedToken: string): Promise<void>;
  /** A secret that came by callback; the latest counts. */
  storeSecret(secret: { name: string; encrypted: string }): Promise<void>;
  readonly state: IngestState;
}

export interface IngestState {
  /** The catalogue did not answer when last asked. */
  readonly isDatabaseDown: boolean;
  /** What waits in the spool; absent where there is no spool. */
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
  metrics: Pick<Metrics, 'received' | 'spooled'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Absent where DATA_DIR cannot be written. */
  spool?: Spool;
  /** The first record went into the spool, or the last one left it. */
  onSpoolUse?: (use: SpoolUseChange) => void;
}

/** Of the spool's limit; the rest is kept for callbacks, which nobody sends again. */
const API_SHARE = 0.75;
/** Of what may wait in memory to be written (see accept.ts), likewise. */
const API_WAITING = 10_000;
const SAY_EVERY_MS = 60_000;

export function createIngest(deps: IngestDeps, timing: DatabaseAvailabilityTiming = {}): Ingest {
  const { catalogue, accept, accounts, clock, log, spool } = deps;
  const deliver = createEntryWriter(deps);
  let inUse = false;
  let troubleSaidAt = Number.NEGATIVE_INFINITY;

  function isTimeToSay(): boolean {
    if (performance.now() - troubleSaidAt <= SAY_EVERY_MS) return false;
    troubleSaidAt = performance.now();
    return true;
  }

  function noticeUse(): void {
    if (!spool) return;
    const { size } = spool;
    if (size.records > 0 === inUse) return;
    inUse = !inUse;
    deps.onSpoolUse?.({ state: inUse ? 'begun' : 'ended', at: clock.now(), ...size });
  }

  const presence = createDatabaseAvailability(
    {
      catalogue,
      log,
      replay: async (signal) => {
        try {
          await spool?.drain(deliver, signal);
        } finally {
          noticeUse();
        }
      },
      onReplayError: (error) => {
        if (isTimeToSay())
          log.error({ err: error }, 'the spool cannot be written into the catalogue; tried again');
      },
    },
    timing,
  );

  /** On disk when it resolves; throws `why` where there is no way. */
  async function divert(entries: readonly SpoolEntry[], share: number, why: unknown): Promise<void> {
    if (!spool) throw why;
    try {
      await spool.append(entries.map(serializeEntry), share);
    } catch (error) {
      if (isTimeToSay()) log.error({ err: error }, 'neither the catalogue nor the spool can be written');
      throw why;
    }
    deps.metrics.spooled.inc(entries.length);
    noticeUse();
    presence.notify();
  }

  const away = () => new DatabaseAwayError('the catalogue is away and the spool cannot be written');

  /** Through the front door if it opens in time, else into the spool. */
  async function durably<T>(way: {
    direct: () => Promise<T>;
    entries: () => readonly SpoolEntry[];
    spooled: () => T;
    share: number;
    passes: (error: unknown) => boolean;
  }): Promise<T> {
    let why: unknown;
    if (!presence.isDown) {
      try {
        return await presence.withTimeout(way.direct());
      } catch (error) {
        if (way.passes(error) || isNeverStorable(error)) throw error;
        if (error instanceof DatabaseAwayError) presence.setDown(error);
        why = error;
      }
    }
    await divert(way.entries(), way.share, why ?? away());
    return way.spooled();
  }

  function take(inputs: readonly ReferenceInput[], isApi: boolean): Promise<Ingested[]> {
    const now = clock.now();
    // Resolved at once: an unknown account is refused whatever is away, and sentAt is that of now.
    const references = inputs.map((input) => resolveReference(input, accounts, now));
    if (references.length === 0) return Promise.resolve([]);
    return durably<Ingested[]>({
      direct: async () => accept(references, isApi ? { waitingLimit: API_WAITING } : {}),
      entries: () => references.map((reference) => ({ kind: 'media', reference })),
      spooled: () =>
        references.map(({ account, mediaId }) => ({
          id: idOf(account, mediaId),
          account,
          status: 'pending',
          created: true,
          spooled: true,
        })),
      share: isApi ? API_SHARE : 1,
      passes: (error) => isApi && error instanceof OverloadedError,
    });
  }

  const alone = (direct: () => Promise<void>, entry: SpoolEntry) =>
    durably({
      direct,
      entries: () => [entry],
      spooled: () => undefined,
      share: 1,
      passes: () => false,
    });

  return {
    ingestCallback: async (references) => take(references, false),
    ingestRequest: async (references) => take(references, true),
    requestKfSync: (account, openKfId, sealedToken) => {
      const at = clock.now();
      return alone(() => catalogue.kfSyncs.want(account, openKfId, sealedToken, at), {
        kind: 'sync',
        account,
        openKfId,
        sealedToken,
        at,
      });
    },
    storeSecret: ({ name, encrypted }) => {
      const at = clock.now();
      return alone(() => catalogue.kept.writeUnlessNewer(name, encrypted, at), {
        kind: 'secret',
        name,
        sealed: encrypted,
        at,
      });
    },
    get state() {
      const { isDown: isDatabaseDown } = presence;
      return { isDatabaseDown, ...(spool ? { spool: { ...spool.size, isWritable: spool.isWritable } } : {}) };
    },
    suspect: presence.suspect,
    run: presence.run,
  };
}
