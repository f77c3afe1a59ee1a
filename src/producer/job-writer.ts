/** Adds references as jobs in Redis. A worker validates each reference and inserts its row. */
import { idOf, type Reference } from '../media.ts';
import { createLog } from '../runtime/log.ts';
import type { JobProducerOptions } from './options.ts';
import { checkUrl, ProducerError } from './producer-error.ts';

export function openJobWriter(options: JobProducerOptions) {
  const { prefix = '{wma}' } = options;
  const url = checkUrl('redisUrl', options.redisUrl, ['redis', 'rediss']);
  if (!/^[\x21-\x7e]{1,64}$/.test(prefix)) {
    throw new ProducerError('misused', 'prefix must be 1 to 64 printable ASCII characters without spaces');
  }
  // BullMQ is loaded here, so that a producer that writes rows never loads it.
  const loading = import('../queue/queue.ts');
  loading.catch(() => undefined); // The first call rejects with the error.
  // Opening succeeds even while Redis is unavailable.
  const open = async () => {
    const { openArchiveQueue } = await loading;
    // A library writes no log; its callers get every error.
    return openArchiveQueue(
      { kind: 'redis', url, prefix },
      { log: createLog({ level: 'silent', program: 'producer', secrets: [] }) },
    );
  };
  let opening: ReturnType<typeof open> | undefined;

  return {
    preload: () => loading,
    write: async (references: readonly Reference[]) => {
      opening ??= open();
      const queue = await opening;
      await queue.add(
        references.map((reference) => ({
          id: idOf(reference.account, reference.mediaId),
          generation: undefined,
          reference,
        })),
      );
      return references.map(() => undefined);
    },
    close: async () => {
      await (await opening)?.close();
    },
  };
}
