/**
 * Limits callbacks without a valid signature. If the query shows that no signature can be valid, the callback is
 * refused before the body is read. If the body must be read first, the number of such callbacks is limited. Unsigned
 * callbacks never reach the database or the queue.
 */
import type { IncomingMessage } from 'node:http';
import type { Account } from '../../account.ts';
import { type CallbackQuery, signatureInQuery } from '../../wechat/callback/read-callback.ts';

export interface UnsignedCallbackLimit {
  /**
   * Returns true if the body may be read, and false if the signature cannot be valid for any body. If too many
   * callbacks whose signature covers the body are being read, the connection of the oldest one is closed.
   */
  admit(account: Account, query: CallbackQuery, request: IncomingMessage): boolean;
}

/**
 * Multiplied by 64 KiB, this is the memory that they can use. A genuine callback consists of one or two packets and is
 * read within a millisecond.
 */
const READING_LIMIT = 256;

export function createUnsignedCallbackLimit({
  limit = READING_LIMIT,
  onCut = () => {},
} = {}): UnsignedCallbackLimit {
  // In the order of arrival.
  const reading = new Set<IncomingMessage>();
  return {
    admit: (account, query, request) => {
      const inQuery = signatureInQuery(account, query);
      if (inQuery === 'valid') return true;
      // A body without a declared length may be too long: then the response is 413, so it is read.
      if (inQuery === 'none' && request.headers['transfer-encoding'] === undefined) return false;
      reading.add(request);
      const remove = () => reading.delete(request);
      request.once('end', remove).once('close', remove);
      const [oldest] = reading;
      if (reading.size > limit && oldest) {
        reading.delete(oldest);
        oldest.socket.destroy();
        onCut();
      }
      return true;
    },
  };
}
