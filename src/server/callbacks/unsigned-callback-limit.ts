/**
 * Limits callbacks without a valid signature. They are refused before the body is read where the query shows that they
 * cannot be signed, and their number is limited while the body must be read first. They never reach database or queue.
 */
import type { IncomingMessage } from 'node:http';
import type { Account } from '../../account.ts';
import { type CallbackQuery, signatureInQuery } from '../../wechat/callback/read-callback.ts';

export interface UnsignedCallbackLimit {
  /**
   * False: no body could make this callback signed. True: the body may be read. If too many callbacks whose signature
   * covers the body are being read, the connection of the oldest of them is closed.
   */
  admit(account: Account, query: CallbackQuery, request: IncomingMessage): boolean;
}

/** Times 64 KiB is the memory they can take. A genuine one consists of one or two packets and is read in a millisecond. */
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
