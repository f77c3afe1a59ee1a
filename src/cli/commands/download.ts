/** wma download: the files of a filter as a ZIP. */
import { open, rename, rm } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { KINDS } from '../../media.ts';
import { CliError, EXIT } from '../client.ts';
import { type Context, collect, parsePair, parseTime, setAction, type Terminal } from '../command.ts';
import { size } from '../output.ts';
import { type Selection, selectionText } from '../selection.ts';

/** Longer than the server lets an export run. */
const TIMEOUT_MS = 7 * 3_600_000;

export function addDownloadCommand(program: Command, terminal: Terminal): void {
  const download = program
    .command('download')
    .summary('download the files of many media items as a ZIP')
    .description(
      'Writes a ZIP with the files of all media items that match, and manifest.csv, which lists every item and why a file ' +
        'is missing. Recorded in the audit log. If the server fails in between, no file is kept. wma export writes rows.',
    )
    .argument('[ids...]', 'm_ and 32 hex digits')
    .option('--account <account>', 'may be repeated', collect)
    .addOption(new Option('--kind <kind>', KINDS.join(', ')).argParser(collect))
    .option('--open-id <id>', 'the user who sent it')
    .option('--msg-id <id>', 'id of the message; may be repeated', collect)
    .option('--media-id <id>', 'as in the message of WeChat; may be repeated', collect)
    .option('--label <name=value>', 'may be repeated', parsePair)
    .option('--sent-from <time>', 'sent at this time or later', parseTime)
    .option('--sent-to <time>', 'sent before this time', parseTime)
    .option('--all', 'all media items')
    .option('--out <file>', 'a new file', 'wma.zip')
    .option('--reason <text>', 'stored in the audit log: do not include personal data')
    .option('--dry-run', 'only count what matches')
    .addHelpText('after', '\nExample:\n  wma download --account shop --sent-from 7d --out week.zip');
  setAction(terminal, download, async (context, ids) => {
    const { all, out, reason, dryRun, ...rest } = download.opts();
    const filter = { ...rest, ...(ids.length > 0 && { id: ids }), status: ['archived'] };
    if (Object.keys(filter).length === 1 && !all)
      throw new CliError('Specify ids, options like --account, or --all.', EXIT.usage);
    const body = { filter, reason };
    if (dryRun) {
      const counted = await context.client.request<Selection>('POST', '/v1/exports', {
        body: { ...body, dryRun },
      });
      context.output.show(counted, selectionText);
      return EXIT.ok;
    }
    const bytes = await save(context, out, body);
    context.output.show({ file: out, bytes }, () => `${out}: ${size(bytes)}.`);
    return EXIT.ok;
  });
}

/** Writes the response under another name, which the file gets only when it is complete. */
async function save({ client, output }: Context, out: string, body: object): Promise<number> {
  const partial = `${out}.part`;
  let bytes = 0;
  const taken = await open(out, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      error.code === 'EEXIST' ? `The file ${out} exists already.` : `${out}: ${error.message}`,
      EXIT.usage,
    );
  });
  try {
    await taken.close();
    const file = await open(partial, 'w');
    try {
      for await (const chunk of client.download('/v1/exports', { body, timeoutMs: TIMEOUT_MS })) {
        await file.writeFile(chunk);
        bytes += chunk.byteLength;
        output.progress(bytes, undefined, 'bytes');
      }
    } finally {
      await file.close();
    }
    await rename(partial, out);
  } catch (error) {
    await Promise.all([rm(partial, { force: true }), rm(out, { force: true })]);
    throw error;
  }
  output.endProgress();
  return bytes;
}
