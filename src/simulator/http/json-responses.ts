/** JSON responses of the API, and the errcodes of refused requests; the request log counts the errcodes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Refusal } from '../accounts/access-tokens.ts';
import type { RequestLog } from './request-log.ts';
import { type Members, parseObject, readBody } from './requests.ts';
import { errorBody, JSON_TYPE, sendText } from './responses.ts';

/** The body of a success, or an errcode. */
export type ApiResult = { readonly ok: Members } | Refusal;

export const refused = (errcode: number, errmsg: string): Refusal => ({ errcode, errmsg });

export function sendResult(
  response: ServerResponse,
  result: ApiResult,
  requestLog: Pick<RequestLog, 'errcode'>,
): void {
  if ('errcode' in result) {
    requestLog.errcode(result.errcode);
    sendText(response, errorBody(result), JSON_TYPE);
  } else sendText(response, JSON.stringify(result.ok), JSON_TYPE);
}

/** Resolves with the JSON body of a POST, or with the errcode for any other request. */
export async function readPost(request: IncomingMessage): Promise<{ body: Members } | Refusal> {
  if (request.method !== 'POST') return refused(43002, 'require POST method');
  const body = parseObject(await readBody(request));
  return body ? { body } : refused(47001, 'data format error');
}
