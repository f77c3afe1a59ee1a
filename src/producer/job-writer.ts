/** Adds references as jobs in Redis. A worker validates each reference and inserts its row. */
import { idOf, type Reference } from '../media.ts';
import { openArchiveQueue } from '../queue/queue.ts';
import type { JobProducerOptions } from './options.ts';
import type { ReferenceWriter } from './writer.ts';

/** A library writes no log; its callers get every error. */
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** Resolves also while Redis is unavailable. */
export async function openJobWriter({
  redisUrl,
  prefix = '{wma}',
}: JobProducerOptions): Promise<ReferenceWriter> {
  const queue = await openArchiveQueue({ kind: 'redis', url: redisUrl, prefix }, { log: SILENT });
  return {
    write: async (references: readonly Reference[]) => {
      await queue.add(
        references.map((reference) => ({
          id: idOf(reference.account, reference.mediaId),
          generation: undefined,
          reference,
        })),
      );
      return references.map(() => undefined);
    },
    close: () => queue.close(),
  };
}
