/** JSON answers of the API, and errcodes for what it refuses; both are written into the ledger. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Refusal } from '../accounts/access-tokens.ts';
import type { Ledger } from './request-log.ts';
import { type Members, parseObject, readBody } from './requests.ts';
import { errorBody, JSON_TYPE, sendText } from './responses.ts';

/** A good answer, or an errcode. */
export type Reply = { readonly ok: Members } | Refusal;

export const refused = (errcode: number, errmsg: string): Refusal => ({ errcode, errmsg });

export function sendReply(response: ServerResponse, reply: Reply, ledger: Pick<Ledger, 'errcode'>): void {
  if ('errcode' in reply) {
    ledger.errcode(reply.errcode);
    sendText(response, errorBody(reply), JSON_TYPE);
  } else sendText(response, JSON.stringify(reply.ok), JSON_TYPE);
}

/** The JSON body of a POST, or the errcode for anything else. */
export async function readPost(request: IncomingMessage): Promise<{ body: Members } | Refusal> {
  if (request.method !== 'POST') return refused(43002, 'require POST method');
  const body = parseObject(await readBody(request));
  return body ? { body } : refused(47001, 'data format error');
}
