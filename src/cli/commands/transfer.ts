/** wma export, import: rows as lines of JSON. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { type Context, collect, parseTime, setAction, type Terminal } from '../command.ts';
import type { Media, MediaPage } from './media.ts';

const PAGE = 200;
const BATCH = 500;
/** The fields of a reference; the server determines the other fields of a row. */
const REFERENCE = [
  'account',
  'mediaId',
  'kind',
  'variant',
  'parentId',
  'openId',
  'msgId',
  'sentAt',
  'picUrl',
  'text',
  'labels',
  'traceparent',
] as const;

export function addTransferCommands(program: Command, terminal: Terminal): void {
  const exported = program
    .command('export')
    .summary('write rows as lines of JSON to stdout')
    .description('Writes one JSON object per line, oldest change first.')
    .option('--account <account>', 'may be repeated', collect)
    .option('--status <status>', 'may be repeated', collect)
    .option('--sent-from <time>', 'sent at this time or later', parseTime)
    .option('--sent-to <time>', 'sent before this time', parseTime)
    .addHelpText('after', '\nExample:\n  wma export --status archived > media.ndjson');
  setAction(terminal, exported, async ({ client, output }) => {
    let cursor: string | undefined;
    let count = 0;
    do {
      const query = { ...exported.opts(), sort: 'updatedAt', limit: PAGE, cursor };
      const page = await client.request<MediaPage>('GET', '/v1/media', { query });
      for (const row of page.items)
        if (!terminal.stdout.write(`${JSON.stringify(row)}\n`))
          await new Promise((resolve) => terminal.stdout.once('drain', resolve));
      count += page.items.length;
      output.progress(count, undefined, 'rows');
      // By updatedAt every page leads on; a page that is not full is the last one now.
      cursor = page.items.length < PAGE ? undefined : (page.nextCursor ?? undefined);
    } while (cursor !== undefined);
    output.endProgress();
    return EXIT.ok;
  });

  const imported = program
    .command('import')
    .summary('archive the references in lines of JSON')
    .description(
      'Reads references, or rows of an export, one JSON object per line, and requests that each be archived. Known items ' +
        'do not change. Objects are not copied: wma verify --adopt creates rows from objects.',
    )
    .argument('[file]', 'default: stdin');
  setAction(terminal, imported, async (context, [file]) => {
    const input = file === undefined ? terminal.stdin : createReadStream(file);
    const totals = { accepted: 0, refused: 0 };
    let batch: { line: number; item: Record<string, unknown> }[] = [];
    let line = 0;
    const flush = async () => {
      if (batch.length > 0) await send(context, batch, totals);
      batch = [];
      context.output.progress(totals.accepted, undefined, `accepted, ${totals.refused} refused`);
    };
    try {
      for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        line++;
        if (text.trim() === '') continue;
        batch.push({ line, item: referenceOf(text, line) });
        if (batch.length === BATCH) await flush();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw code === 'ENOENT' ? new CliError(`The file ${file} does not exist.`, EXIT.usage) : error;
    }
    await flush();
    context.output.show(totals, ({ accepted, refused }) => `${accepted} accepted, ${refused} refused.`);
    return totals.refused > 0 ? EXIT.findings : EXIT.ok;
  });
}

function referenceOf(text: string, line: number): Record<string, unknown> {
  let row: Partial<Media>;
  try {
    row = JSON.parse(text) as Media;
  } catch {
    throw new CliError(`Line ${line} is not JSON.`, EXIT.usage);
  }
  return Object.fromEntries(
    REFERENCE.flatMap((name) => (row[name] === undefined ? [] : [[name, row[name]]])),
  );
}

interface BatchResult {
  readonly index: number;
  readonly problem?: {
    readonly title: string;
    readonly errors?: readonly { field: string; message: string }[];
  };
}

async function send(
  { client, output }: Context,
  batch: readonly { line: number; item: unknown }[],
  totals: { accepted: number; refused: number },
): Promise<void> {
  const body = { items: batch.map(({ item }) => item) };
  const { results } = await client.request<{ results: readonly BatchResult[] }>('POST', '/v1/media/batch', {
    body,
  });
  for (const { index, problem } of results) {
    if (!problem) {
      totals.accepted++;
      continue;
    }
    totals.refused++;
    const where = problem.errors?.map(({ field, message }) => `${field}: ${message}`).join('; ');
    output.info(`Line ${batch[index]?.line}: ${problem.title}${where ? ` (${where})` : ''}`);
  }
}
