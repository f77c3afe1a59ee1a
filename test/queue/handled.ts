/** A handler that records its jobs, and a wait for them. */
import { setTimeout as wait } from 'node:timers/promises';
import { FAILURES, type FailureCode } from '../../src/failures.ts';
import { idOf, type Reference } from '../../src/media.ts';
import type { ArchiveJob } from '../../src/queue/consumer.ts';
import type { JobResult } from '../../src/queue/job-result.ts';
import type { ArchiveQueue } from '../../src/queue/queue.ts';

export const finish: JobResult = { action: 'finish', result: 'archived' };

export const failed = (code: FailureCode, detail?: string) => ({
  code,
  class: FAILURES[code].class,
  ...(detail ? { detail } : {}),
});

export function referenceOf(mediaId: string): Reference {
  return {
    account: 'wx0000000000000001',
    mediaId,
    kind: 'image',
    sentAt: new Date('2026-11-23T04:05:06.789Z'),
  };
}

export function entryOf(mediaId: string, generation = 1) {
  const reference = referenceOf(mediaId);
  return { id: idOf(reference.account, mediaId), generation, reference };
}

/** Calls `decide` for each job and records the job in `jobs`; `until(n)` waits for the n-th. */
export function createHandled(
  decide: (job: ArchiveJob, signal: AbortSignal) => JobResult | Promise<JobResult> = () => finish,
) {
  const jobs: ArchiveJob[] = [];
  return {
    jobs,
    handler: async (job: ArchiveJob, signal: AbortSignal) => {
      jobs.push(job);
      return await decide(job, signal);
    },
    until: (count: number) => eventually(`${count} jobs handled`, async () => jobs.length >= count),
  };
}

/** Polls until `isSo` resolves with true; rejects with `what` after 20 s. */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    if (await isSo()) return;
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await wait(20);
  }
}

/** Rejects with the signal's reason when it aborts; never resolves. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** No job waits, is delayed or active. */
export async function isIdle(queue: Pick<ArchiveQueue, 'counts'>): Promise<boolean> {
  const { waiting, active, delayed } = await queue.counts();
  return waiting + active + delayed === 0;
}
