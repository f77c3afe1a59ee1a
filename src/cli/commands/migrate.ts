/** wma migrate: the only command that speaks to the database, not to a server. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { runs, type Terminal } from '../command.ts';

// Not imported: the published package holds the command line without the service.
const MIGRATE = new URL('../../app/migrate.ts', import.meta.url);

export function addMigrateCommand(program: Command, terminal: Terminal): void {
  const migrate = program
    .command('migrate')
    .summary('bring the schema of DATABASE_URL up to this release')
    .description(
      'Every program does this when it starts; here it can be done before, by a role that may. Needs DATABASE_URL, and ' +
        'the program itself: its repository or its image.',
    );
  runs(terminal, migrate, async ({ output: screen }) => {
    const { migrateOnly } = (await import(MIGRATE.href).catch(() => {
      throw new CliError('This is the command line alone: run wma migrate where the program is.', EXIT.usage);
    })) as { migrateOnly(): Promise<readonly string[]> };
    const done = await migrateOnly().catch(async (error: unknown) => {
      const { exitCode, text } = await sentenceOf(error);
      throw new CliError(text, exitCode);
    });
    screen.show({ applied: done }, ({ applied }) =>
      applied.length > 0 ? `Applied: ${applied.join(', ')}.` : 'The schema is up to date.',
    );
    return EXIT.ok;
  });
}

async function sentenceOf(error: unknown): Promise<{ exitCode: number; text: string }> {
  const { lastWords } = (await import(new URL('../../app/run.ts', import.meta.url).href)) as {
    lastWords(name: string, error: unknown): { exitCode: number; text: string };
  };
  return lastWords('wma migrate', error);
}
