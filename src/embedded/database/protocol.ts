/**
 * The few messages of Postgres' wire protocol that the embedded database reads or writes itself.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** What a client sends before the server responds: a simple query, or an extended one up to its Sync. */
export type QueryRequest = Buffer;

/** Returns a message: its type, its length (which counts itself but not the type), its body. */
export function backendMessage(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** `I`: no transaction, `T`: inside one, `E`: inside one that failed. */
export function readyForQuery(status: 'I' | 'T' | 'E'): Buffer {
  return backendMessage('Z', Buffer.from(status, 'latin1'));
}

export function errorResponse(code: string, message: string): Buffer {
  const fields = `SERROR\0VERROR\0C${code}\0M${message}\0\0`;
  return backendMessage('E', Buffer.from(fields, 'utf8'));
}

/** AuthenticationOk and ReadyForQuery: all that node-postgres waits for. */
export function authenticationOk(): Buffer {
  return Buffer.concat([backendMessage('R', Buffer.alloc(4)), readyForQuery('I')]);
}

/** A response: the messages for the client that sent the request, and notifications for those that listen. */
export interface BackendResponse {
  readonly bytes: Buffer;
  readonly status: string;
  readonly failed: boolean;
  /** FATAL or PANIC: the server has ended. */
  readonly ended: boolean;
  readonly notifications: readonly { channel: string; bytes: Buffer }[];
}

export function parseResponse(response: Buffer): BackendResponse {
  const own: Buffer[] = [];
  const notifications: { channel: string; bytes: Buffer }[] = [];
  let status = 'I';
  let failed = false;
  let ended = false;
  for (let offset = 0; offset + 5 <= response.length; ) {
    const type = response.toString('latin1', offset, offset + 1);
    const end = offset + 1 + response.readInt32BE(offset + 1);
    const message = response.subarray(offset, end);
    if (type === 'A') {
      // 5 bytes of head, 4 of process id, then the channel.
      notifications.push({ channel: textAt(message, 9), bytes: message });
    } else {
      own.push(message);
      if (type === 'E') {
        failed = true;
        ended ||= message.includes('\0VPANIC\0') || message.includes('\0VFATAL\0');
      }
      if (type === 'Z') status = message.toString('latin1', 5, 6);
    }
    offset = end;
  }
  const bytes = notifications.length === 0 ? response : Buffer.concat(own);
  return { bytes, status, failed, ended, notifications };
}

/** Returns the SQL of a request without leading comments: enough to recognise LISTEN and ROLLBACK. */
export function statementOf(request: QueryRequest): string {
  // Q: the text follows the head. P: the statement's name comes first.
  const start = request[0] === 0x50 ? request.indexOf(0, 5) + 1 : 5;
  return textAt(request, start).replace(/^(\s+|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)+/, '');
}

function textAt(message: Buffer, start: number): string {
  return message.toString('utf8', start, message.indexOf(0, start));
}
