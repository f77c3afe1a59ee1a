/** Taking what the queue holds of a media out of it: waiting, delayed, completed and failed jobs, of every generation. */
import type { BullBackend, BullQueue } from './backend.ts';
import { jobIdOf } from './job.ts';

/** A media has about a generation for each try and each hold; what is further back the queue has let go of by itself. */
const MAX_GENERATIONS = 1_000;

/** What stands in a job whose worker is still at it. No job's data is valid like this. */
const REMOVED_DATA = { v: 1, erased: true } as const;

/** Every id under which a job of the media may be known: each generation's, and that of a producer that gave none. */
function jobIdsOf({ id, generation }: { id: string; generation: number }): string[] {
  const first = Math.max(0, generation - MAX_GENERATIONS);
  return [id, ...Array.from({ length: generation - first + 1 }, (_, index) => jobIdOf(id, first + index))];
}

/**
 * Answers the media that a worker has in hand: their jobs cannot be removed, and only lose their data. What the
 * worker has read it has in memory, until its try ends.
 */
export async function removeJobs(
  bull: Pick<BullBackend, 'existing'>,
  queue: BullQueue,
  media: readonly { id: string; generation: number }[],
): Promise<string[]> {
  const owners = new Map(media.flatMap((one) => jobIdsOf(one).map((jobId) => [jobId, one.id] as const)));
  const known = await bull.existing(queue, [...owners.keys()]);
  for (const jobId of known) await queue.remove(jobId, { removeChildren: false });
  const active = known.length > 0 ? await bull.existing(queue, known) : [];
  for (const jobId of active) {
    const job = await queue.getJob(jobId);
    // Gone meanwhile is as good.
    await job?.updateData(REMOVED_DATA).catch(async (error) => {
      if ((await bull.existing(queue, [jobId])).length > 0) throw error;
    });
  }
  return [...new Set(active.map((jobId) => owners.get(jobId)!))];
}
