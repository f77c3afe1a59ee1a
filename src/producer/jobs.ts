/** The light way: jobs in Redis. A worker checks each, gives it its row, and the feeder its work. */

import { idOf } from '../media.ts';
import { createLog } from '../runtime/log.ts';
import type { JobProducerOptions } from './producer.ts';
import { checkUrl, ProducerError } from './producer-error.ts';
import type { ReferenceWriter } from './way.ts';

export function openJobWriter(options: JobProducerOptions): ReferenceWriter {
  const { prefix = '{wma}' } = options;
  const url = checkUrl('redisUrl', options.redisUrl, ['redis', 'rediss']);
  if (!/^[\x21-\x7e]{1,64}$/.test(prefix)) {
    throw new ProducerError('misused', 'prefix must be 1 to 64 printable ASCII characters without spaces');
  }
  // Loaded only here, from now on: a producer that writes rows needs no BullMQ.
  const loading = import('../queue/queue.ts');
  loading.catch(() => undefined); // the first call hears of it
  // Redis may be away; the queue opens nevertheless.
  const open = async () => {
    const { openArchiveQueue } = await loading;
    // Its callers hear of every failure; a library writes no lines of its own.
    return openArchiveQueue(
      { kind: 'redis', url, prefix },
      { log: createLog({ level: 'silent', program: 'producer', secrets: [] }) },
    );
  };
  let opening: ReturnType<typeof open> | undefined;

  return {
    preload: () => loading,
    write: async (references) => {
      opening ??= open();
      const queue = await opening;
      await queue.add(
        references.map((reference) => ({
          id: idOf(reference.account, reference.mediaId),
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
