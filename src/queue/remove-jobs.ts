/** Removes all jobs of a media item: waiting, delayed, completed and failed ones, of every generation. */
import type { BullBackend, BullQueue } from './backend.ts';
import { jobIdOf } from './job.ts';

/** A media item has about one generation for each attempt and each hold; older jobs have left the queue long ago. */
const MAX_GENERATIONS = 1_000;

/** Replaces the data of a job that a worker is running. The schema of a job refuses it. */
const REMOVED_DATA = { v: 1, erased: true } as const;

/** Every id that a job of the item may have: one for each generation, and that of a foreign producer. */
function jobIdsOf({ id, generation }: { id: string; generation: number }): string[] {
  const first = Math.max(0, generation - MAX_GENERATIONS);
  return [id, ...Array.from({ length: generation - first + 1 }, (_, index) => jobIdOf(id, first + index))];
}

/**
 * Returns the ids of the items whose jobs are active: those cannot be removed and only lose their data. What the
 * worker has read stays in its memory until the attempt ends.
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
    // A job that has ended meanwhile has nothing to lose.
    await job?.updateData(REMOVED_DATA).catch(async (error) => {
      if ((await bull.existing(queue, [jobId])).length > 0) throw error;
    });
  }
  return [...new Set(active.map((jobId) => owners.get(jobId)!))];
}
