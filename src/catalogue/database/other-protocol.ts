/** Whether something that is no Postgres answers at the address: another server's port is never worth waiting for. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { parseDatabaseUrl } from '../../config/database-address.ts';
import { DatabaseUnavailableError } from './database.ts';
import { DatabaseUnfitError } from './requirements.ts';

const ANSWER_MS = 2_000;
/** Protocols of lines answer this; Postgres and its poolers take it for a length and close, or send an error (E). */
const QUESTION = 'PING\r\n\r\n';
const ERROR_OF_POSTGRES = 'E';

/** Throws what it is given, or {@link DatabaseUnfitError} where it is no wonder that no database answered. */
export async function explainUnavailable(error: unknown, url: string | undefined): Promise<never> {
  const isAway = error instanceof DatabaseUnavailableError && error.refusal === undefined;
  if (isAway && url !== undefined && (await isOtherProtocol(url))) {
    throw new DatabaseUnfitError(
      'What answers at the host and port of DATABASE_URL does not speak the protocol of Postgres. Correct them: Postgres listens on 5432 unless told otherwise.',
    );
  }
  throw error;
}

/** False too where nothing answers, or nothing in time. */
async function isOtherProtocol(url: string): Promise<boolean> {
  const { hostname = '', port = '', searchParams } = parseDatabaseUrl(url) ?? {};
  if (hostname === '' || hostname.includes('%') || searchParams?.has('host')) return false;
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 5432) });
  socket.on('error', () => undefined);
  try {
    socket.write(QUESTION);
    const signal = AbortSignal.timeout(ANSWER_MS);
    // Its end is waited for too: the timer of the signal alone does not keep the process from ending.
    const [answer] = (await Promise.race([
      once(socket, 'data', { signal }),
      once(socket, 'close', { signal }),
    ])) as [Buffer | boolean];
    return Buffer.isBuffer(answer) && answer.toString('latin1', 0, 1) !== ERROR_OF_POSTGRES;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
