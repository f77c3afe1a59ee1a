/** What is durable before an answer, in the words of the spool: texts that mean the same rows whenever they are read. */
import { z } from 'zod';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type Reference, referenceSchema, timestamp } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { isNeverStorable } from '../../storable.ts';

const entrySchema = z.discriminatedUnion('kind', [
  // sentAt is never absent: that of acceptance where the message had none.
  z.object({ kind: z.literal('media'), reference: referenceSchema.extend({ sentAt: timestamp }) }),
  z.object({
    kind: z.literal('sync'),
    account: z.string(),
    openKfId: z.string(),
    sealedToken: z.string(),
    at: timestamp,
  }),
  z.object({ kind: z.literal('secret'), name: z.string(), sealed: z.string(), at: timestamp }),
]);

/** `sealedToken` and `sealed` are as they stand in the database. */
export type SpoolEntry =
  | { readonly kind: 'media'; readonly reference: Reference }
  | {
      readonly kind: 'sync';
      readonly account: string;
      readonly openKfId: string;
      readonly sealedToken: string;
      readonly at: Date;
    }
  | { readonly kind: 'secret'; readonly name: string; readonly sealed: string; readonly at: Date };

export const serializeEntry = (entry: SpoolEntry): string => JSON.stringify(entry);

/** Undefined for what is no entry of this release or one before it. */
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
    kept: Pick<Catalogue['kept'], 'writeUnlessNewer'>;
    kfSyncs: Pick<Catalogue['kfSyncs'], 'want'>;
  };
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'received'>;
  /** New rows are on disk. */
  onAccepted: () => void;
}

/** Writes entries as texts to the catalogue; as often as one likes, in any order. Answers those that never can be. */
export function createEntryWriter(deps: EntryWriterDeps) {
  const { catalogue, clock } = deps;

  async function accept(references: readonly Reference[]): Promise<void> {
    const accepted = await catalogue.media.insert(references, clock.now(), true);
    const created = accepted.filter((one) => one.created).length;
    if (created === 0) return;
    deps.metrics.received.inc(created);
    deps.onAccepted();
  }

  async function write(entry: SpoolEntry): Promise<void> {
    if (entry.kind === 'media') return await accept([entry.reference]);
    if (entry.kind === 'secret')
      return await catalogue.kept.writeUnlessNewer(entry.name, entry.sealed, entry.at);
    await catalogue.kfSyncs.want(entry.account, entry.openKfId, entry.sealedToken, entry.at);
  }

  return async (texts: readonly string[]): Promise<string[]> => {
    const refused: string[] = [];
    const alone: { text: string; entry: SpoolEntry }[] = [];
    const media: { text: string; entry: SpoolEntry & { kind: 'media' } }[] = [];
    for (const text of texts) {
      const entry = parseEntry(text);
      if (!entry) refused.push(text);
      else if (entry.kind === 'media') media.push({ text, entry });
      else alone.push({ text, entry });
    }
    try {
      if (media.length > 0) await accept(media.map(({ entry }) => entry.reference));
    } catch (error) {
      if (!isNeverStorable(error)) throw error;
      alone.push(...media);
    }
    for (const { text, entry } of alone) {
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
