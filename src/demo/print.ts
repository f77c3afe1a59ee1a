/** What the demo prints for people: a line as each media settles, then the sums. */
import { styleText } from 'node:util';
import type { RowView } from './script.ts';
import type { Summary } from './summary.ts';

type Colour = 'green' | 'yellow' | 'red' | 'bold' | 'dim';
const COLOURS: Readonly<Record<string, Colour>> = { archived: 'green', dead: 'red', expired: 'yellow' };
const SAYS_WIDTH = 34;

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;

/** Where an archived media is, or why another one is not there. */
function placeOf({ objectKey, failure }: RowView, folder: string): string {
  if (failure) return [failure.code, failure.errcode].filter((part) => part !== undefined).join(' ');
  return objectKey?.startsWith(folder) ? objectKey.slice(folder.length) : (objectKey ?? '');
}

export function createPrinter(
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
) {
  const said = new Set<string>();
  let folder: string | undefined;
  // As plain text wherever stdout is no terminal.
  const paint = (colour: Colour, text: string) => styleText(colour, text, { stream: process.stdout });

  return {
    begin: (resumed: boolean): void => {
      write('A day of a simulated WeChat account; the three days of media life are played in six minutes.');
      if (resumed) write('The day was cut off in the middle and goes on where it was.');
    },
    /** Once per media, as soon as it is no longer pending. */
    settled: (says: string, row: RowView | undefined): void => {
      if (!row || row.status === 'pending' || said.has(row.id)) return;
      if (folder === undefined && row.objectKey) {
        folder = row.objectKey.slice(0, row.objectKey.lastIndexOf('/') + 1);
        write(`\n${paint('dim', `Objects go to ${row.bucket}/${folder}`)}`);
      }
      said.add(row.id);
      const status = paint(COLOURS[row.status] ?? 'bold', row.status.padEnd(8));
      const size = (row.sizeBytes === undefined ? '' : sizeOf(row.sizeBytes)).padStart(8);
      write(`${status} ${size}  ${says.padEnd(SAYS_WIDTH)}  ${placeOf(row, folder ?? '')}`);
    },
    end: (summary: Summary, where: string): void => {
      const { received, archived, dead, expired, duplicates, bytes, verified, failures } = summary;
      write(
        `\n${received} media received and ${count(duplicates, 'repeat')}: ${archived} archived (${sizeOf(bytes)}), ${dead} dead, ${expired} expired.`,
      );
      write(`${count(verified, 'object')} read back through their links, digests equal to WeChat's.`);
      for (const { id, what } of failures) write(`${paint('red', 'WRONG')} ${id} ${what}`);
      const isRight = failures.length === 0;
      write(
        paint(
          isRight ? 'green' : 'red',
          isRight
            ? 'All is as it must be.'
            : `${count(failures.length, 'thing is', 'things are')} not as they must be.`,
        ),
      );
      write(where);
    },
    summary: (summary: Summary): void => write(JSON.stringify(summary)),
  };
}
