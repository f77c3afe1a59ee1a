/**
 * How long each test file takes, so that the longest start first and no core is idle at the end. The list is committed
 * because CI starts without a cache; `npm test -- --record` writes it anew.
 */
import { readFile, writeFile } from 'node:fs/promises';

const LIST = new URL('durations.json', import.meta.url);
/** Shorter files are not listed: their order does not matter. */
const LEAST_SECONDS = 3;
/** Assumed of a file that is not in the list; a new one may be long. */
const UNKNOWN_SECONDS = 2;

/** Seconds by file. */
export type Durations = Readonly<Record<string, number>>;

export const readDurations = async (): Promise<Durations> =>
  JSON.parse(await readFile(LIST, 'utf8')) as Durations;

/** The longest first. */
export function longestFirst(files: readonly string[], durations: Durations): string[] {
  const secondsOf = (file: string) => durations[file] ?? UNKNOWN_SECONDS;
  return files.toSorted((one, other) => secondsOf(other) - secondsOf(one) || (one < other ? -1 : 1));
}

/** Writes the list of a whole run. */
export async function recordDurations(durations: Durations): Promise<void> {
  const listed = Object.entries(durations)
    .filter(([, seconds]) => seconds >= LEAST_SECONDS)
    .map(([file, seconds]) => [file, Math.round(seconds)] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  await writeFile(LIST, `${JSON.stringify(Object.fromEntries(listed), null, 2)}\n`);
}
