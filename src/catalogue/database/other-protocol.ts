/** Finds out whether another kind of server listens at the address of the database: waiting for it is useless. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { parseDatabaseUrl } from '../../config/database-address.ts';
import { DatabaseUnavailableError } from './database.ts';
import { DatabaseUnfitError } from './requirements.ts';

const RESPONSE_MS = 2_000;
/** Line protocols respond to this. Postgres and its poolers take it for a length and close, or send an error (E). */
const PING = 'PING\r\n\r\n';
const POSTGRES_ERROR = 'E';

/** Throws the given error, or {@link DatabaseUnfitError} if another kind of server listens at the address. */
export async function explainUnavailable(error: unknown, url: string | undefined): Promise<never> {
  const isUnavailable = error instanceof DatabaseUnavailableError && error.refusal === undefined;
  if (isUnavailable && url !== undefined && (await isOtherProtocol(url))) {
    throw new DatabaseUnfitError(
      'The server at the host and port of DATABASE_URL does not speak the protocol of Postgres. Correct them: Postgres listens on 5432 by default.',
    );
  }
  throw error;
}

/** False also where there is no response in time. */
async function isOtherProtocol(url: string): Promise<boolean> {
  const { hostname = '', port = '', searchParams } = parseDatabaseUrl(url) ?? {};
  if (hostname === '' || hostname.includes('%') || searchParams?.has('host')) return false;
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 5432) });
  socket.on('error', () => undefined);
  try {
    socket.write(PING);
    const signal = AbortSignal.timeout(RESPONSE_MS);
    // 'close' as well: the timer of the signal alone does not keep the process alive.
    const [response] = (await Promise.race([
      once(socket, 'data', { signal }),
      once(socket, 'close', { signal }),
    ])) as [Buffer | boolean];
    return Buffer.isBuffer(response) && response.toString('latin1', 0, 1) !== POSTGRES_ERROR;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
