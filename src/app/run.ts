/** What programs share: a start that either succeeds or says in a sentence why not, and an orderly end. */
import { DatabaseAwayError } from '../catalogue/database/database.ts';
import { type Config, ConfigError, EXIT_CONFIG } from '../config/config.ts';
import { FolderInUseError } from '../runtime/disk/folder-lock.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { redact } from '../runtime/redaction.ts';
import { closeOnSignals, type Shutdown } from '../runtime/shutdown.ts';
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';

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

/** What the machine says of a file or folder that cannot be had, in words; other errors mean something else. */
const FILE_TROUBLE: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the disk can only be read',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file stands where a folder must be',
  EISDIR: 'a folder stands where a file must be',
  ENOSPC: 'the disk is full',
};

/** Why a program did not start and what to change, where the cause is known. */
function knownCause(error: Error): { exitCode: number; text: string } | undefined {
  const { exitCode, code, path, address } = error as Error &
    Partial<Record<'exitCode' | 'code' | 'path' | 'address', unknown>>;
  // Its examples look like secrets, and it holds none.
  if (error instanceof ConfigError) return { exitCode: EXIT_CONFIG, text: error.message };
  if (typeof exitCode === 'number') return { exitCode, text: error.message };
  if (error instanceof FolderInUseError) return { exitCode: EXIT_CONFIG, text: error.message };
  if (error instanceof DatabaseAwayError) {
    if (error.refusal) return { exitCode: EXIT_CONFIG, text: redact(error.refusal) };
    const tls = tlsSentence(error, TLS_PLACES.database);
    if (tls) return { exitCode: 1, text: tls };
    const words = error.cause instanceof Error ? error.cause.message : error.message;
    const text = `The database of DATABASE_URL does not answer (${words}). Start it, or correct the address.`;
    return { exitCode: 1, text: redact(text) };
  }
  if (typeof code !== 'string') return undefined;
  const trouble = FILE_TROUBLE[code];
  const where = path ?? address;
  if (!trouble || typeof where !== 'string') return undefined;
  const text = `${where} cannot be used: ${trouble} (${code}). Set DATA_DIR to a folder that this user may write to.`;
  return { exitCode: EXIT_CONFIG, text };
}

/** Exit code and text for an error that keeps a program from starting: a sentence where the cause is known. */
export function startFailureOf(name: string, error: unknown): { exitCode: number; text: string } {
  return (error instanceof Error ? knownCause(error) : undefined) ?? unexpected(name, error);
}

function unexpected(name: string, error: unknown): { exitCode: number; text: string } {
  const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: 1, text: redact(`${name} failed unexpectedly: ${story}`) };
}

/**
 * Runs a program's start. `attend` hands over its closing steps, so that signals and a start that fails half-way
 * close what is open. Never returns an error: it is printed on stderr and becomes the exit code.
 */
export async function runProgram(
  name: string,
  start: (attend: (shutdown: Shutdown) => void) => Promise<void>,
): Promise<void> {
  allowSlowConnects();
  let open: Shutdown | undefined;
  const leave = ({ exitCode, text }: { exitCode: number; text: string }): void => {
    process.stderr.write(`${text}\n`, () => process.exit(exitCode));
  };
  // Thrown where nobody can catch it: the state is unknown, so no steps; what is accepted is on disk.
  process.on('uncaughtException', (error) => leave(unexpected(name, error)));
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
    leave(startFailureOf(name, error));
  }
}
