/** A worker in its own process, to be killed: takes jobs, prints them, and never finishes one. */
import { openBelow, openQueue, type Place } from './backends.ts';

const place = JSON.parse(process.argv[2] ?? '') as Place;
const queue = await openQueue(await openBelow(place));
await queue.consume(
  async ({ jobId, attempt }) => {
    process.stdout.write(`${JSON.stringify({ jobId, attempt })}\n`);
    return new Promise(() => {});
  },
  { concurrency: 2, lockDurationMs: 1_000, stalledIntervalMs: 500 },
);
