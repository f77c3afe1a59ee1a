/** What programs share: a start that either succeeds or says in a sentence why not, and an orderly end. */
import { type Config, ConfigError, EXIT_CONFIG } from '../config.ts';
import { FolderInUseError } from '../embedded/folder-lock.ts';
import { scrub } from '../secrets.ts';
import { closeOnSignals, type Shutdown } from '../shutdown.ts';

/** The program cannot start as it is configured; the message says what to change. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode = EXIT_CONFIG;
}

/** For programs of which many run at once: what is embedded belongs to one process and one machine. */
export function requireShared(config: Pick<Config, 'shape'>, program: string): void {
  const { shape } = config;
  const needed = `is missing: ${program} runs beside other processes and meets them there; without it, run everything in one process with npm start`;
  const mistakes = [
    ...(shape.database === 'embedded'
      ? [{ variable: 'DATABASE_URL', problem: needed, example: 'DATABASE_URL=postgres://wma@db/wma' }]
      : []),
    ...(shape.store === 'embedded'
      ? [{ variable: 'S3_BUCKET', problem: needed, example: 'S3_BUCKET=my-bucket' }]
      : []),
  ];
  if (mistakes.length > 0) throw new ConfigError(mistakes);
}

/** A listening address that could not be had, in words that name the variable to change; other errors as they are. */
export function listenError(
  error: unknown,
  at: { host: string; port: number; portVariable: string },
): unknown {
  const { host, port, portVariable } = at;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new StartError(
        `Port ${port} on ${host} is taken by another program. Stop that one, or set ${portVariable} to another port.`,
      );
    case 'EACCES':
      return new StartError(
        `Port ${port} may not be opened by this user. Set ${portVariable} to one above 1023.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartError(`${host} is no address of this machine. Set HOST to one, or to 0.0.0.0 for all.`);
    default:
      return error;
  }
}

/** Exit code and text for an error that ends a program: a sentence where the cause is known, else the stack. */
export function lastWords(name: string, error: unknown): { exitCode: number; text: string } {
  if (!(error instanceof Error)) return { exitCode: 1, text: scrub(`${name}: ${String(error)}`) };
  const { exitCode } = error as { exitCode?: unknown };
  if (typeof exitCode === 'number') return { exitCode, text: scrub(error.message) };
  if (error instanceof FolderInUseError) return { exitCode: EXIT_CONFIG, text: error.message };
  if (error.name === 'DatabaseAwayError') {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    return {
      exitCode: 1,
      text: scrub(
        `${name} could not start: the database of DATABASE_URL does not answer${cause}. Start it, or correct the address.`,
      ),
    };
  }
  return { exitCode: 1, text: scrub(`${name} failed unexpectedly: ${error.stack ?? error.message}`) };
}

/**
 * Runs a program's start. `attend` hands over its closing steps, so that signals and a start that fails half-way
 * close what is open. Never returns an error: it is printed on stderr and becomes the exit code.
 */
export async function runProgram(
  name: string,
  start: (attend: (shutdown: Shutdown) => void) => Promise<void>,
): Promise<void> {
  let open: Shutdown | undefined;
  const leave = (error: unknown): void => {
    const { exitCode, text } = lastWords(name, error);
    process.stderr.write(`${text}\n`, () => process.exit(exitCode));
  };
  // Thrown where nobody can catch it: the state is unknown, so no steps; what is accepted is on disk.
  process.on('uncaughtException', leave);
  // Whoever started us with a channel (the demo) and is gone, killed perhaps, must not leave us behind.
  process.once(
    'disconnect',
    () => void (open?.run('parent gone') ?? Promise.resolve()).then(() => process.exit(1)),
  );
  try {
    await start((shutdown) => {
      open = shutdown;
      closeOnSignals(shutdown);
    });
  } catch (error) {
    await open?.run('could not start');
    leave(error);
  }
}
