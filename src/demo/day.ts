/** The demo's own folder: remembers when the day began, so that a day that was killed goes on where it was. */
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
  /** The day is over: the next demo begins a new one in an empty folder. */
  end(): Promise<void>;
}

/** A service whose demo was killed leaves by itself within its grace. */
const LEAVING_MS = 15_000;
const LOOK_MS = 250;

async function waitUntilFree(folder: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const giveUpAt = clock.now().getTime() + LEAVING_MS;
  for (;;) {
    try {
      return await (await lockFolder(folder)).release();
    } catch (error) {
      if (!(error instanceof FolderInUseError) || clock.now().getTime() > giveUpAt) throw error;
      await clock.sleep(LOOK_MS, signal);
    }
  }
}

/**
 * Opens the day in `folder`. One that began less than `goodForMs` ago and was interrupted goes on; else the folder,
 * which is the demo's alone, is emptied. Throws FolderInUseError where another demo is playing in it.
 */
export async function openDay(
  folder: string,
  goodForMs: number,
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
    known !== undefined && !known.over && now.getTime() - Date.parse(known.startedAt) < goodForMs;
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
