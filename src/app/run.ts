/** The start and the end of all programs. A start that fails prints one sentence with the reason. */
import { DatabaseUnavailableError } from '../catalogue/database/database.ts';
import { type Config, ConfigError, EXIT_CONFIG } from '../config/config.ts';
import { FolderInUseError } from '../runtime/disk/folder-lock.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { redact } from '../runtime/redaction.ts';
import { closeOnSignals, type Shutdown } from '../runtime/shutdown.ts';
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';

/** The program cannot start with this configuration. The message describes what to change. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode = EXIT_CONFIG;
}

/**
 * Throws a ConfigError if a part is embedded: an embedded part belongs to one process, but programs that run together
 * need parts that all of them can reach.
 */
export function requireShared(config: Pick<Config, 'shape'>, program: string): void {
  const { shape } = config;
  const needed = `is missing: ${program} shares it with other processes; without it, run everything in one process with npm start`;
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

/** Turns an error of `listen` into one that names the variable to change. Returns other errors unchanged. */
export function listenError(
  error: unknown,
  at: { host: string; port: number; portVariable: string },
): unknown {
  const { host, port, portVariable } = at;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new StartError(
        `Port ${port} on ${host} is used by another program. Stop that program, or set ${portVariable} to another port.`,
      );
    case 'EACCES':
      return new StartError(
        `Port ${port} may not be opened by this user. Set ${portVariable} to a port above 1023.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartError(
        `${host} is not an address of this machine. Set HOST to one of its addresses, or to 0.0.0.0 for all.`,
      );
    default:
      return error;
  }
}

/** The texts for errors of the file system, when a file or folder cannot be used. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the disk is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'it is a file, but must be a folder',
  EISDIR: 'it is a folder, but must be a file',
  ENOSPC: 'the disk is full',
};

/** Returns why a program did not start and what to change, if the cause is known. */
function knownCause(error: Error): { exitCode: number; text: string } | undefined {
  const { exitCode, code, path, address } = error as Error &
    Partial<Record<'exitCode' | 'code' | 'path' | 'address', unknown>>;
  // Not redacted, because the message contains no secrets, but its examples look like secrets.
  if (error instanceof ConfigError) return { exitCode: EXIT_CONFIG, text: error.message };
  if (typeof exitCode === 'number') return { exitCode, text: error.message };
  if (error instanceof FolderInUseError) return { exitCode: EXIT_CONFIG, text: error.message };
  if (error instanceof DatabaseUnavailableError) {
    if (error.refusal) return { exitCode: EXIT_CONFIG, text: redact(error.refusal) };
    const tls = tlsSentence(error, TLS_PLACES.database);
    if (tls) return { exitCode: 1, text: tls };
    const words = error.cause instanceof Error ? error.cause.message : error.message;
    const text = `The database of DATABASE_URL does not respond (${words}). Start it, or correct the address.`;
    return { exitCode: 1, text: redact(text) };
  }
  if (typeof code !== 'string') return undefined;
  const reason = FILE_ERRORS[code];
  const where = path ?? address;
  if (!reason || typeof where !== 'string') return undefined;
  const text = `${where} cannot be used: ${reason} (${code}). Set DATA_DIR to a folder that this user may write to.`;
  return { exitCode: EXIT_CONFIG, text };
}

/**
 * Returns exit code and text for an error that prevents the start of a program. The text is a sentence if the cause is
 * known, and otherwise the stack.
 */
export function startFailureOf(name: string, error: unknown): { exitCode: number; text: string } {
  return (error instanceof Error ? knownCause(error) : undefined) ?? unexpected(name, error);
}

function unexpected(name: string, error: unknown): { exitCode: number; text: string } {
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: 1, text: redact(`${name} failed unexpectedly: ${details}`) };
}

/** As a shell reports a program that ended by SIGINT. */
const EXIT_INTERRUPTED = 130;
const INTERRUPTED = '\nStopped during the start. Nothing is lost: start it again at any time.';

/**
 * Runs a program's start. The program calls `onOpened` with its shutdown, so that the open parts are closed after a
 * signal or a failed start. Never rejects: an error is printed on stderr and determines the exit code.
 */
export async function runProgram(
  name: string,
  start: (onOpened: (shutdown: Shutdown) => void) => Promise<void>,
): Promise<void> {
  allowSlowConnects();
  let open: Shutdown | undefined;
  // Until a program has opened its parts there is nothing to close: accepted items are on disk, and a database that is
  // being created is created again.
  const interrupt = () => exitWith({ exitCode: EXIT_INTERRUPTED, text: INTERRUPTED });
  const exitWith = ({ exitCode, text }: { exitCode: number; text: string }): void => {
    process.stderr.write(`${text}\n`, () => process.exit(exitCode));
  };
  // For an error outside every promise chain. The state is unknown, so the shutdown steps do not run. Accepted items
  // are already on disk.
  process.on('uncaughtException', (error) => exitWith(unexpected(name, error)));
  // If a parent started this process with an IPC channel (the demo) and was killed, this process must end too.
  process.once(
    'disconnect',
    () => void (open?.run('parent gone') ?? Promise.resolve()).then(() => process.exit(1)),
  );
  process.once('SIGINT', interrupt);
  try {
    await start((shutdown) => {
      open = shutdown;
      process.off('SIGINT', interrupt);
      closeOnSignals(shutdown);
    });
  } catch (error) {
    await open?.run('could not start');
    exitWith(startFailureOf(name, error));
  }
}
