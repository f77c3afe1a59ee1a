/** wma doctor. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { runs, type Terminal } from '../command.ts';

interface Examination {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly message: string;
    readonly advice?: string;
    /** `notice`: nothing is to be fixed, but something to be looked at. */
    readonly severity?: 'error' | 'warning' | 'notice';
  }[];
}

/** The store is written to, in both ways, and may be far. */
const DOCTOR_MS = 120_000;

export function addDoctorCommand(program: Command, terminal: Terminal): void {
  const doctor = program
    .command('doctor')
    .summary('look at everything and say what to fix')
    .description(
      'Asks the server to look at its catalogue, queue, store (by writing, reading and removing two small objects), ' +
        'workers, clocks, accounts and the last comparison of catalogue and bucket: the list of checks in ' +
        'docs/operations.md. Exit code 1 where something is to be fixed; what is only to be looked at is marked with !.',
    );
  runs(terminal, doctor, async ({ client, output: screen }) => {
    const found = await client
      .request<Examination>('POST', '/v1/doctor', { timeoutMs: DOCTOR_MS })
      .catch((error) => {
        if (error instanceof CliError && error.exitCode === EXIT.key)
          screen.info('The doctor wants a key of the scope admin.');
        throw error;
      });
    screen.show(found, ({ checks }) =>
      checks
        .map(
          ({ name, ok, message, advice, severity }) =>
            `${ok ? (severity ? '!' : '✓') : '✗'} ${name}: ${message}${advice ? `\n    ${advice}` : ''}`,
        )
        .join('\n'),
    );
    return found.ok ? EXIT.ok : EXIT.findings;
  });
}
