/** The records of the spool: texts that lead to the same rows whenever and however often they are replayed. */
import { z } from 'zod';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type Reference, referenceSchema, timestamp } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { isNeverStorable } from '../../storable.ts';

const entrySchema = z.discriminatedUnion('kind', [
  // sentAt is never absent: it is the time of acceptance where the message had none.
  z.object({ kind: z.literal('media'), reference: referenceSchema.extend({ sentAt: timestamp }) }),
  z.object({
    kind: z.literal('sync'),
    account: z.string(),
    openKfId: z.string(),
    encryptedToken: z.string(),
    at: timestamp,
  }),
  z.object({ kind: z.literal('secret'), name: z.string(), encrypted: z.string(), at: timestamp }),
]);

/** `encryptedToken` and `encrypted` are what the database stores too. */
export type SpoolEntry =
  | { readonly kind: 'media'; readonly reference: Reference }
  | {
      readonly kind: 'sync';
      readonly account: string;
      readonly openKfId: string;
      readonly encryptedToken: string;
      readonly at: Date;
    }
  | { readonly kind: 'secret'; readonly name: string; readonly encrypted: string; readonly at: Date };

export const serializeEntry = (entry: SpoolEntry): string => JSON.stringify(entry);

/** Returns undefined where the text is not an entry of this release or an earlier one. */
export function parseEntry(text: string): SpoolEntry | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  return entrySchema.safeParse(json).data;
}

export interface EntryWriterDeps {
  catalogue: { media: Pick<Catalogue['media'], 'insert'> } & {
    encryptedSecrets: Pick<Catalogue['encryptedSecrets'], 'writeUnlessNewer'>;
    kfCursors: Pick<Catalogue['kfCursors'], 'requestRead'>;
  };
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'received'>;
  /** Called when new rows are on disk. */
  onAccepted: () => void;
}

/**
 * Returns a function that writes serialized entries to the catalogue and resolves with those that no row can ever
 * hold. Idempotent, in any order.
 */
export function createEntryWriter(deps: EntryWriterDeps) {
  const { catalogue, clock } = deps;

  async function insert(references: readonly Reference[]): Promise<void> {
    const accepted = await catalogue.media.insert(references, clock.now(), true);
    const created = accepted.filter((one) => one.created).length;
    if (created === 0) return;
    deps.metrics.received.inc(created);
    deps.onAccepted();
  }

  async function write(entry: SpoolEntry): Promise<void> {
    if (entry.kind === 'media') return await insert([entry.reference]);
    if (entry.kind === 'secret')
      return await catalogue.encryptedSecrets.writeUnlessNewer(entry.name, entry.encrypted, entry.at);
    await catalogue.kfCursors.requestRead(entry.account, entry.openKfId, entry.encryptedToken, entry.at);
  }

  return async (texts: readonly string[]): Promise<string[]> => {
    const refused: string[] = [];
    const single: { text: string; entry: SpoolEntry }[] = [];
    const media: { text: string; entry: SpoolEntry & { kind: 'media' } }[] = [];
    for (const text of texts) {
      const entry = parseEntry(text);
      if (!entry) refused.push(text);
      else if (entry.kind === 'media') media.push({ text, entry });
      else single.push({ text, entry });
    }
    try {
      if (media.length > 0) await insert(media.map(({ entry }) => entry.reference));
    } catch (error) {
      if (!isNeverStorable(error)) throw error;
      single.push(...media);
    }
    for (const { text, entry } of single) {
      try {
        await write(entry);
      } catch (error) {
        if (!isNeverStorable(error)) throw error;
        refused.push(text);
      }
    }
    return refused;
  };
}
