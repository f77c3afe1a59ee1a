/**
 * The contract of a job: its queue, its name, its data and its id. Producers in any language may add jobs of this
 * shape; the consumer checks every one of them, whoever sent it.
 */
import { z } from 'zod';
import { idOf, type Reference, referenceSchema, timestamp } from '../media.ts';

export const QUEUE_NAME = 'wma-archive';
export const JOB_NAME = 'archive';

/** A reference plus `v: 1`. In a job `sentAt` is required: the queue may have held it for days. */
export const jobDataSchema = referenceSchema.extend({
  v: z.literal(1),
  sentAt: timestamp,
});
/** As the queue keeps it: JSON, with `sentAt` as text. */
export type JobData = z.input<typeof jobDataSchema>;

/**
 * Options of every job, whoever sent it: how often and when to try again is our policy's, not BullMQ's. The default
 * backoffs know nothing of a media's deadline; `deadline` reads the delay off the error (disposition.ts). No stack
 * traces: they would be kept for every try.
 */
export const JOB_OPTIONS = {
  attempts: 1_000_000,
  backoff: { type: 'deadline' },
  stackTraceLimit: 0,
} as const;

/**
 * Longer than a job of this program waits in the queue, and than it is locked for: a minute and half a minute. What is
 * further ahead was written by a wrong clock, since BullMQ goes by the clocks of the processes.
 */
export const MAX_WAIT_MS = 10 * 60_000;

/** BullMQ logs events for listeners we do not have; 10,000 by default. */
export const STREAMS = { events: { maxLen: 500 } } as const;

/** The queue's name where BullMQ knows no prefix: `{wma}` → `wma-archive`. */
export function queueNameOf(prefix: string): string {
  return `${prefix.replaceAll(/[{}]/g, '').replaceAll(':', '-')}-archive`;
}

/**
 * The id of a job we feed: `{id}-{generation}`. BullMQ ignores an id it still knows, finished jobs included, so every
 * feeding of a row is a new generation. (BullMQ refuses ids that are all digits or contain a colon; ours do neither.)
 * A producer that feeds no row gives no generation: its job id is the media's id.
 */
export function jobIdOf(id: string, generation?: number): string {
  return generation === undefined ? id : `${id}-${generation}`;
}

/** The way back; undefined for job ids of foreign producers. */
export function rowOfJobId(jobId: string): { id: string; generation: number } | undefined {
  const [, id, generation] = /^(m_[0-9a-f]{32})-(\d{1,9})$/.exec(jobId) ?? [];
  return id && generation ? { id, generation: Number(generation) } : undefined;
}

export function toJobData(reference: Reference): JobData {
  return { ...reference, sentAt: reference.sentAt.toISOString(), v: 1 };
}

export interface ParsedJob {
  /** The media's id, from account and media id as the data gives them. */
  readonly id: string;
  /** Undefined for a job of a foreign producer: its job id is the media's id, or anything else. */
  readonly generation: number | undefined;
  readonly reference: Reference;
}

/**
 * Reads a job that anybody may have sent. A generation counts only in a job id that belongs to the media in the data, so
 * that nobody finishes somebody else's generation.
 * @returns what the job asks for, or the reason why it can never run: at most 500 characters.
 */
export function parseJob(job: { id: string; name: string; data: unknown }): ParsedJob | { invalid: string } {
  if (job.name !== JOB_NAME)
    return { invalid: cut(`unknown job name "${job.name}"; expected "${JOB_NAME}"`) };
  const parsed = jobDataSchema.safeParse(job.data);
  if (!parsed.success) {
    const reasons = parsed.error.issues
      .slice(0, 5)
      .map((issue) => `${issue.path.join('.') || 'data'}: ${issue.message}`);
    return { invalid: cut(`invalid job data: ${reasons.join('; ')}`) };
  }
  const { v: _, ...reference } = parsed.data;
  const id = idOf(reference.account, reference.mediaId);
  const generation = job.id.startsWith(`${id}-`) ? job.id.slice(id.length + 1) : '';
  return { id, generation: /^\d{1,9}$/.test(generation) ? Number(generation) : undefined, reference };
}

const cut = (text: string) => text.slice(0, 500);
