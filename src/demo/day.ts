/** The demo's own folder: stores when the day began, so that an interrupted day continues. */
import { randomInt } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../runtime/clock.ts';
import { FolderInUseError, lockFolder } from '../runtime/disk/folder-lock.ts';

const daySchema = z.object({ startedAt: z.iso.datetime(), seed: z.int(), over: z.boolean() });

export interface Day {
  readonly folder: string;
  readonly startedAt: Date;
  readonly seed: number;
  readonly resumed: boolean;
  /** Ends the day: the next demo begins a new one in an empty folder. */
  end(): Promise<void>;
}

/** A service whose demo was killed exits within its grace period. */
const EXIT_MS = 15_000;
const POLL_MS = 250;

async function waitUntilFree(folder: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const giveUpAt = clock.now().getTime() + EXIT_MS;
  for (;;) {
    try {
      return await (await lockFolder(folder)).release();
    } catch (error) {
      if (!(error instanceof FolderInUseError) || clock.now().getTime() > giveUpAt) throw error;
      await clock.sleep(POLL_MS, signal);
    }
  }
}

/**
 * Opens the day in `folder`. A day that began less than `resumableMs` ago and was interrupted continues; otherwise the
 * folder, which only the demo uses, is emptied. Throws FolderInUseError while another demo uses it.
 */
export async function openDay(
  folder: string,
  resumableMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Day> {
  await waitUntilFree(folder, clock, signal);
  const now = clock.now();
  const file = join(folder, 'day.json');
  const text = await readFile(file, 'utf8').catch(() => '');
  let known: z.infer<typeof daySchema> | undefined;
  try {
    known = daySchema.parse(JSON.parse(text));
  } catch {
    known = undefined;
  }
  const write = async (day: z.infer<typeof daySchema>) => {
    await writeFile(`${file}.new`, JSON.stringify(day));
    await rename(`${file}.new`, file);
  };
  const resumed =
    known !== undefined && !known.over && now.getTime() - Date.parse(known.startedAt) < resumableMs;
  if (!resumed || !known) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    known = { startedAt: now.toISOString(), seed: randomInt(2 ** 31), over: false };
    await write(known);
  }
  const day = known;
  return {
    folder,
    startedAt: new Date(day.startedAt),
    seed: day.seed,
    resumed,
    end: () => write({ ...day, over: true }),
  };
}
