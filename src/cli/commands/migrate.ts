/** wma migrate: the only command that uses the database and not a server. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { setAction, type Terminal } from '../command.ts';

// Imported dynamically, because the published package contains the command line without the service.
const MIGRATE = new URL('../../app/migrate.ts', import.meta.url);

export function addMigrateCommand(program: Command, terminal: Terminal): void {
  const migrate = program
    .command('migrate')
    .summary('migrate the schema of DATABASE_URL to this release')
    .description(
      'Every program migrates the schema when it starts; this command does it beforehand, with a role that has the rights. Requires ' +
        'DATABASE_URL, and the service itself: its repository or its image.',
    );
  setAction(terminal, migrate, async ({ output }) => {
    const { migrateOnly } = (await import(MIGRATE.href).catch(() => {
      throw new CliError(
        'This package contains only the command line: run wma migrate where the service is installed.',
        EXIT.usage,
      );
    })) as { migrateOnly(): Promise<readonly string[]> };
    const done = await migrateOnly().catch(async (error: unknown) => {
      const { exitCode, text } = await messageOf(error);
      throw new CliError(text, exitCode);
    });
    output.show({ applied: done }, ({ applied }) =>
      applied.length > 0 ? `Applied: ${applied.join(', ')}.` : 'The schema is up to date.',
    );
    return EXIT.ok;
  });
}

async function messageOf(error: unknown): Promise<{ exitCode: number; text: string }> {
  const { startFailureOf } = (await import(new URL('../../app/run.ts', import.meta.url).href)) as {
    startFailureOf(name: string, error: unknown): { exitCode: number; text: string };
  };
  return startFailureOf('wma migrate', error);
}
