/**
 * Callbacks without a valid signature: turned away before their body is read where the query alone tells, and bounded in
 * number while the body must be read first. They meet no database and no queue.
 */
import type { IncomingMessage } from 'node:http';
import type { Account } from '../../account.ts';
import { type CallbackQuery, signatureInQuery } from '../../wechat/callback/read-callback.ts';

export interface UnsignedCallbackLimit {
  /**
   * False: nothing that may follow in the body can make this callback signed. Otherwise it may be read; where too many
   * of those whose signature is over the body are being read at once, the one that has been on its way longest is cut.
   */
  admit(account: Account, query: CallbackQuery, request: IncomingMessage): boolean;
}

/** Times 64 KiB is what they can hold in memory. A real one is in one or two packets and here for a millisecond. */
const READING_LIMIT = 256;

export function createUnsignedCallbackLimit({
  limit = READING_LIMIT,
  onCut = () => {},
} = {}): UnsignedCallbackLimit {
  // In the order in which they came.
  const reading = new Set<IncomingMessage>();
  return {
    admit: (account, query, request) => {
      const inQuery = signatureInQuery(account, query);
      if (inQuery === 'valid') return true;
      // Without a length it may be one that is too long: then that is what the caller is told.
      if (inQuery === 'none' && request.headers['transfer-encoding'] === undefined) return false;
      reading.add(request);
      const leave = () => reading.delete(request);
      request.once('end', leave).once('close', leave);
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
