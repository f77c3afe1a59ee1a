/** What all programs share: a start that succeeds or prints in one sentence why not, and an orderly end. */
import { DatabaseUnavailableError } from '../catalogue/database/database.ts';
import { type Config, ConfigError, EXIT_CONFIG } from '../config/config.ts';
import { FolderInUseError } from '../runtime/disk/folder-lock.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { redact } from '../runtime/redaction.ts';
import { closeOnSignals, type Shutdown } from '../runtime/shutdown.ts';
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';

/** The program cannot start with this configuration; the message says what to change. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode = EXIT_CONFIG;
}

/**
 * Throws ConfigError where a part is embedded: programs that run beside others need parts that all of them reach, and
 * an embedded part belongs to one process.
 */
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

/** Turns an error of `listen` into one that names the variable to change. Returns other errors unchanged. */
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

/** Errors of the file system for a file or folder that cannot be used, as text. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
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
  // Not redacted: its examples look like secrets, and it holds none.
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

/** Returns exit code and text for an error that keeps a program from starting: a sentence where the cause is known. */
export function startFailureOf(name: string, error: unknown): { exitCode: number; text: string } {
  return (error instanceof Error ? knownCause(error) : undefined) ?? unexpected(name, error);
}

function unexpected(name: string, error: unknown): { exitCode: number; text: string } {
  const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: 1, text: redact(`${name} failed unexpectedly: ${story}`) };
}

/**
 * Runs a program's start. The program calls `onOpened` with its shutdown, so that signals and a start that fails
 * half-way close what is open. Never rejects: an error is printed on stderr and becomes the exit code.
 */
export async function runProgram(
  name: string,
  start: (onOpened: (shutdown: Shutdown) => void) => Promise<void>,
): Promise<void> {
  allowSlowConnects();
  let open: Shutdown | undefined;
  const leave = ({ exitCode, text }: { exitCode: number; text: string }): void => {
    process.stderr.write(`${text}\n`, () => process.exit(exitCode));
  };
  // An error outside every promise chain: the state is unknown, so no closing steps run. What was accepted is on disk.
  process.on('uncaughtException', (error) => leave(unexpected(name, error)));
  // A parent that started this process with an IPC channel (the demo) and was killed must not leave it running.
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
