/**
 * The contract of a job: its queue, its name, its data and its id. Producers in any language may add jobs of this
 * shape; the consumer checks every job against the schema.
 */
import { z } from 'zod';
import { fieldErrorsOf, parseInput } from '../field-errors.ts';
import { idOf, type Reference, referenceSchema, timestamp } from '../media.ts';

export const QUEUE_NAME = 'wma-archive';
export const JOB_NAME = 'archive';

/** A reference plus `v: 1`. In a job `sentAt` is required: the queue may have held it for days. */
export const jobDataSchema = referenceSchema.extend({
  v: z.literal(1),
  sentAt: timestamp,
  // A trace is not worth a media item: an invalid one counts as none.
  traceparent: referenceSchema.shape.traceparent.catch(undefined),
});
/** As the queue keeps it: JSON, with `sentAt` as text. */
export type JobData = z.input<typeof jobDataSchema>;

/**
 * Options of every job, also of foreign producers: how often and when to retry is our policy's, not BullMQ's. Its
 * default backoffs do not know the deadline of a media item; `deadline` takes the delay from the error (job-result.ts).
 * No stack traces: they would be kept for every attempt.
 */
export const JOB_OPTIONS = {
  attempts: 1_000_000,
  backoff: { type: 'deadline' },
  stackTraceLimit: 0,
} as const;

/**
 * Longer than any job of this program waits in the queue (a minute) or is locked (half a minute). A later time was
 * written by a wrong clock: BullMQ uses the clocks of the processes.
 */
export const MAX_WAIT_MS = 10 * 60_000;

/** BullMQ keeps events for listeners, of which there are none here; 10,000 by default. */
export const STREAMS = { events: { maxLen: 500 } } as const;

/** The queue's name where BullMQ knows no prefix: `{wma}` → `wma-archive`. */
export function queueNameOf(prefix: string): string {
  return `${prefix.replaceAll(/[{}]/g, '').replaceAll(':', '-')}-archive`;
}

/**
 * Returns the id of a dispatched job: `{id}-{generation}`. BullMQ ignores an id that it still knows, also of a finished
 * job, so every dispatch of a row is a new generation. (BullMQ refuses ids that are all digits or contain a colon; ours
 * do neither.) A foreign producer has no generation: its job id is the item's id.
 */
export function jobIdOf(id: string, generation?: number): string {
  return generation === undefined ? id : `${id}-${generation}`;
}

/** The reverse of {@link jobIdOf}; undefined for job ids of foreign producers. */
export function rowOfJobId(jobId: string): { id: string; generation: number } | undefined {
  const [, id, generation] = /^(m_[0-9a-f]{32})-(\d{1,9})$/.exec(jobId) ?? [];
  return id && generation ? { id, generation: Number(generation) } : undefined;
}

export function toJobData(reference: Reference): JobData {
  return { ...reference, sentAt: reference.sentAt.toISOString(), v: 1 };
}

export interface ParsedJob {
  /** The item's id, from account and media id as they are in the data. */
  readonly id: string;
  /** Undefined for a job of a foreign producer, whose job id is the item's id or anything else. */
  readonly generation: number | undefined;
  readonly reference: Reference;
}

/**
 * Parses a job of any producer. A generation counts only in a job id that belongs to the item in the data, so that no
 * job finishes the generation of another item. Returns the reason, at most 500 characters, why an invalid job can
 * never run.
 */
export function parseJob(job: { id: string; name: string; data: unknown }): ParsedJob | { invalid: string } {
  if (job.name !== JOB_NAME)
    return { invalid: cut(`unknown job name "${job.name}"; expected "${JOB_NAME}"`) };
  const parsed = parseInput(jobDataSchema, job.data);
  if (!parsed.success) {
    const { issues } = parsed.error;
    const errors = fieldErrorsOf(issues, {
      place: 'body',
      input: job.data,
      schema: jobDataSchema,
      whole: 'data',
    });
    const reasons = errors.slice(0, 5).map(({ field, message }) => `${field}: ${message.en}`);
    return { invalid: cut(`invalid job data: ${reasons.join('; ')}`) };
  }
  const { v: _, ...reference } = parsed.data;
  const id = idOf(reference.account, reference.mediaId);
  const generation = job.id.startsWith(`${id}-`) ? job.id.slice(id.length + 1) : '';
  return { id, generation: /^\d{1,9}$/.test(generation) ? Number(generation) : undefined, reference };
}

const cut = (text: string) => text.slice(0, 500);
