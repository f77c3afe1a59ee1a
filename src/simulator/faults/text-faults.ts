/** Response faults: texts with status 200 in place of a file, as gateways, proxies and captive portals send them. */
import { gzipSync } from 'node:zlib';
import { ERROR_TYPE, errorBody, sendText } from '../http/responses.ts';
import { type FaultSpec, serve } from './fault-context.ts';

const PORTAL =
  '<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>ok</body></html>';

/** The amount is an index of this list: add at the end. */
const TEXTS: readonly (readonly [description: string, body: string | Buffer])[] = [
  ['a text', 'upstream connect error or disconnect/reset before headers\n'],
  ['white space', ' \r\n'.repeat(20)],
  ['four bytes', Buffer.from([1, 2, 3, 255])],
  ['a page after a byte order mark and white space', `\uFEFF${'\r\n'.repeat(400)}${PORTAL}`],
  ['a page in UTF-16', Buffer.from(`\uFEFF${PORTAL}`, 'utf16le')],
  ['a gzipped page without Content-Encoding', gzipSync(PORTAL)],
  ['JSON without an errcode', '{"message":"upstream unavailable","code":504}'],
  ['a JSON array', '[{"errcode":40014,"errmsg":"invalid access_token"}]'],
  ['a text in GBK', Buffer.from('cfb5cdb3b7b1c3a6'.repeat(12), 'hex')],
];

const DEFAULT_ERRCODE = 40014;

export const TEXT_FAULTS = {
  textBody: {
    description: 'a text with status 200, as image/jpeg, without Content-disposition',
    amount: `which: ${TEXTS.map(([description], index) => `${index} ${description}`).join(', ')}`,
    needsNoFile: true,
    respond: ({ response, amount }) => {
      const [, body] = TEXTS[amount] ?? TEXTS[0]!;
      response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
      return 'faulty';
    },
  },
  truncatedErrcode: {
    description: 'an errcode whose JSON ends inside its errmsg',
    amount: 'the errcode',
    needsNoFile: true,
    respond: ({ response, amount, requestLog }) => {
      const errcode = amount || DEFAULT_ERRCODE;
      requestLog.errcode(errcode);
      const body = errorBody({ errcode, errmsg: 'invalid access_token' });
      sendText(response, body.slice(0, body.indexOf('access_token') + 3), ERROR_TYPE);
      return 'refused';
    },
  },
  htmlAsRange: {
    description: 'WeCom: a page with status 200 in place of every range but the first',
    respond: (context) => {
      if (!context.range?.start) return serve(context);
      sendText(context.response, PORTAL, 'application/octet-stream');
      return 'faulty';
    },
  },
} satisfies Record<string, FaultSpec>;
