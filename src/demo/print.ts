/** Prints the demo's output: a line for each finished media item, then the totals. */
import { styleText } from 'node:util';
import type { RowView } from './script.ts';
import type { Summary } from './summary.ts';

type Colour = 'green' | 'yellow' | 'red' | 'bold' | 'dim';
const COLOURS: Readonly<Record<string, Colour>> = { archived: 'green', dead: 'red', expired: 'yellow' };
const DESCRIPTION_WIDTH = 34;

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;

/** Returns the object key of an archived item below `folder`, or the failure of another one. */
function placeOf({ objectKey, failure }: RowView, folder: string): string {
  if (failure) return [failure.code, failure.errcode].filter((part) => part !== undefined).join(' ');
  return objectKey?.startsWith(folder) ? objectKey.slice(folder.length) : (objectKey ?? '');
}

export function createPrinter(
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
) {
  const printed = new Set<string>();
  let folder: string | undefined;
  // styleText writes plain text where stdout is not a terminal.
  const paint = (colour: Colour, text: string) => styleText(colour, text, { stream: process.stdout });

  return {
    begin: (resumed: boolean): void => {
      write('A day of a simulated WeChat account; the three days that media live pass in six minutes.');
      if (resumed) write('The last run was interrupted; its day continues.');
    },
    /** Prints an item once, when it is no longer pending. */
    finished: (description: string, row: RowView | undefined): void => {
      if (!row || row.status === 'pending' || printed.has(row.id)) return;
      if (folder === undefined && row.objectKey) {
        folder = row.objectKey.slice(0, row.objectKey.lastIndexOf('/') + 1);
        write(`\n${paint('dim', `Objects go to ${row.bucket}/${folder}`)}`);
      }
      printed.add(row.id);
      const status = paint(COLOURS[row.status] ?? 'bold', row.status.padEnd(8));
      const size = (row.sizeBytes === undefined ? '' : sizeOf(row.sizeBytes)).padStart(8);
      write(`${status} ${size}  ${description.padEnd(DESCRIPTION_WIDTH)}  ${placeOf(row, folder ?? '')}`);
    },
    end: (summary: Summary, where: string): void => {
      const { received, archived, dead, expired, duplicates, bytes, verified, failures } = summary;
      write(
        `\n${received} media items received and ${count(duplicates, 'repeat')}: ${archived} archived (${sizeOf(bytes)}), ${dead} dead, ${expired} expired.`,
      );
      write(
        `${count(verified, 'object')} read back through their links, with the digests of the files that WeChat sent.`,
      );
      for (const { id, what } of failures) write(`${paint('red', 'WRONG')} ${id} ${what}`);
      const isRight = failures.length === 0;
      write(
        paint(
          isRight ? 'green' : 'red',
          isRight ? 'Everything is as the script says.' : `${count(failures.length, 'failure')}.`,
        ),
      );
      write(where);
    },
    summary: (summary: Summary): void => write(JSON.stringify(summary)),
  };
}
