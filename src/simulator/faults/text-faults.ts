/** Misbehaviour: texts with status 200 in the place of a file, as gateways, proxies and hotel networks send them. */
import { gzipSync } from 'node:zlib';
import { ERROR_TYPE, errorBody, sendText } from '../http/responses.ts';
import { type Row, serve } from './fault-context.ts';

const PORTAL =
  '<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>ok</body></html>';

/** The amount is a place in this list. Add at the end. */
const TEXTS: readonly (readonly [says: string, body: string | Buffer])[] = [
  ['a text', 'upstream connect error or disconnect/reset before headers\n'],
  ['white space', ' \r\n'.repeat(20)],
  ['a handful of bytes', Buffer.from([1, 2, 3, 255])],
  ['a page after a byte order mark and white space', `\uFEFF${'\r\n'.repeat(400)}${PORTAL}`],
  ['a page in UTF-16', Buffer.from(`\uFEFF${PORTAL}`, 'utf16le')],
  ['a page compressed without a word', gzipSync(PORTAL)],
  ['JSON of no known meaning', '{"message":"upstream unavailable","code":504}'],
  ['a list of JSON', '[{"errcode":40014,"errmsg":"invalid access_token"}]'],
  ['a text in GBK', Buffer.from('cfb5cdb3b7b1c3a6'.repeat(12), 'hex')],
];

export const TEXT_ROWS = {
  textBody: {
    says: 'a text with status 200, called image/jpeg, without Content-disposition',
    amount: `which: ${TEXTS.map(([says], index) => `${index} ${says}`).join(', ')}`,
    early: true,
    play: ({ response, amount }) => {
      const [, body] = TEXTS[amount] ?? TEXTS[0]!;
      response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
      return 'spoiled';
    },
  },
  cutErrcode: {
    says: 'an errcode whose JSON ends in the middle of its errmsg',
    amount: 'the errcode',
    early: true,
    play: ({ response, amount, ledger }) => {
      ledger.errcode(amount || 40014);
      const body = errorBody({ errcode: amount || 40014, errmsg: 'invalid access_token' });
      sendText(response, body.slice(0, body.indexOf('access_token') + 3), ERROR_TYPE);
      return 'refused';
    },
  },
  pageAsPiece: {
    says: 'WeCom: a page with status 200 in the place of every piece but the first',
    play: (exchange) => {
      if (!exchange.range?.start) return serve(exchange);
      sendText(exchange.response, PORTAL, 'application/octet-stream');
      return 'spoiled';
    },
  },
} satisfies Record<string, Row>;
