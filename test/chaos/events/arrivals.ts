/** What a listener notes of each event before it answers or goes on: a line of a file, which outlives its kill. */
import { openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** [id, sequence, `at` and arrival in milliseconds of the epoch] */
export type Arrival = readonly [id: string, sequence: number, atMs: number, arrivedMs: number];

/** What the programs get in their environment. */
export interface ListenerSettings {
  readonly folder: string;
  readonly url: string;
  readonly apiKey: string;
  readonly receivers: Readonly<Record<string, { readonly port: number; readonly secret: string }>>;
}

export const arrivalsFile = (folder: string, who: string) => join(folder, `${who}.arrivals.jsonl`);
export const refusedFile = (folder: string, who: string) => join(folder, `${who}.refused.txt`);
const cursorFile = (folder: string, who: string) => join(folder, `${who}.cursor`);

export function readSettings(): ListenerSettings & { readonly who: string } {
  const { CHAOS_LISTENERS, CHAOS_ROLE } = process.env;
  return { ...(JSON.parse(CHAOS_LISTENERS!) as ListenerSettings), who: CHAOS_ROLE! };
}

interface Event {
  readonly id: string;
  readonly sequence: number;
  readonly at: string;
}

/** Each line is one write to the file: a process that is killed has written it or not. */
export function openArrivals({ folder, who }: { folder: string; who: string }) {
  const file = openSync(arrivalsFile(folder, who), 'a');
  return {
    note: ({ id, sequence, at }: Event): void => {
      const line: Arrival = [id, sequence, Date.parse(at), Date.now()];
      writeSync(file, `${JSON.stringify(line)}\n`);
    },
  };
}

/** The cursor of a reader. It is replaced as a whole. */
export function createCursorFile({ folder, who }: { folder: string; who: string }) {
  const file = cursorFile(folder, who);
  return {
    read: (): string | undefined => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return undefined;
      }
    },
    write: (cursor: string): void => {
      writeFileSync(`${file}.new`, cursor);
      renameSync(`${file}.new`, file);
    },
  };
}

export function readArrivals(folder: string, who: string): Arrival[] {
  const lines = readFileSync(arrivalsFile(folder, who), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Arrival);
}
