/** wma doctor. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { setAction, type Terminal } from '../command.ts';

interface DoctorReport {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly message: string;
    readonly advice?: string;
    /** `notice`: for information only; nothing has to be fixed. */
    readonly severity?: 'error' | 'warning' | 'notice';
  }[];
}

/** The doctor writes an object in one part and one in several parts, and the store may be slow. */
const DOCTOR_TIMEOUT_MS = 120_000;

export function addDoctorCommand(program: Command, terminal: Terminal): void {
  const doctor = program
    .command('doctor')
    .summary('run all checks and show what must be fixed')
    .description(
      'The server checks its catalogue, queue, store (by writing, reading and deleting two small objects), workers, ' +
        'clocks, accounts and the last verification: the list of checks in docs/operations.md. Exit code 1 if ' +
        'something has to be fixed; notices are marked with !.',
    );
  setAction(terminal, doctor, async ({ client, output }) => {
    const report = await client
      .request<DoctorReport>('POST', '/v1/doctor', { timeoutMs: DOCTOR_TIMEOUT_MS })
      .catch((error) => {
        if (error instanceof CliError && error.exitCode === EXIT.key)
          output.info('The doctor requires a key with the scope admin.');
        throw error;
      });
    output.show(report, ({ checks }) =>
      checks
        .map(
          ({ name, ok, message, advice, severity }) =>
            `${ok ? (severity ? '!' : '✓') : '✗'} ${name}: ${message}${advice ? `\n    ${advice}` : ''}`,
        )
        .join('\n'),
    );
    return report.ok ? EXIT.ok : EXIT.findings;
  });
}
