/** Misbehaviour: errcodes, in every spelling in which they were met. */
import { REFUSALS, type Refusal } from '../accounts/access-tokens.ts';
import { JSON_TYPE, sendText } from '../http/responses.ts';
import { type Exchange, type Row, refuse } from './fault-context.ts';

export const INVALID_MEDIA: Refusal = { errcode: 40007, errmsg: 'invalid media_id' };
export const SYSTEM_BUSY: Refusal = { errcode: -1, errmsg: 'system error' };

/** The words WeChat uses for the errcodes a test is likely to ask for. */
const ERRMSGS: Readonly<Record<number, string>> = {
  [-1]: SYSTEM_BUSY.errmsg,
  40001: REFUSALS.invalid.errmsg,
  40007: INVALID_MEDIA.errmsg,
  40125: 'invalid appsecret',
  40164: 'invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist',
  40243: 'AppSecret has been frozen',
  42001: REFUSALS.expired.errmsg,
  45009: REFUSALS.quota.errmsg,
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  45033: 'api concurrent out of limit',
  48001: 'api unauthorized',
  60020: 'not allow to access from your ip, from ip: 203.0.113.7',
  830002: 'file size too large, use Range',
};
export const refusalOf = (errcode: number): Refusal => ({ errcode, errmsg: ERRMSGS[errcode] ?? 'error' });

const AMOUNT = 'the errcode';
/** A row that answers the errcode given as amount, its body changed. */
const errcode = (says: string, change?: (body: string) => string, contentType?: string): Row => ({
  says,
  amount: AMOUNT,
  early: true,
  play: (exchange) => refuse(exchange, refusalOf(exchange.amount), change, contentType),
});
const fixed = (says: string, refusal: Refusal): Row => ({
  says,
  early: true,
  play: (exchange) => refuse(exchange, refusal),
});

export const REFUSAL_ROWS = {
  invalid: {
    says: '40007 from the beginning',
    play: (exchange: Exchange) => refuse(exchange, INVALID_MEDIA),
  },
  errcode: errcode('the errcode as application/json with `encoding=` for a charset', undefined, JSON_TYPE),
  errcodeAsText: errcode('the errcode as text/plain'),
  errcodeAsString: errcode('the errcode in quotes', (body) =>
    body.replace(/"errcode":(-?\d+)/, '"errcode":"$1"'),
  ),
  errcodeWithControlCharacters: errcode('the errcode, raw control characters in its errmsg', (body) =>
    body.replace(' rid:', '\u0001\u000b\n rid:'),
  ),
  errcodeInBaseResp: errcode(
    'the errcode wrapped in base_resp, as device APIs do',
    (body) => `{"base_resp":${body}}`,
  ),
  errcodeAfterMark: errcode(
    'the errcode after a byte order mark and an empty line',
    (body) => `\uFEFF\n${body}`,
  ),
  errcodeZero: {
    says: 'errcode 0 and no media',
    early: true,
    play: ({ response }: Exchange) => {
      sendText(response, '{"errcode":0,"errmsg":"ok"}', JSON_TYPE);
      return 'spoiled' as const;
    },
  },
  systemBusy: fixed('-1', SYSTEM_BUSY),
  tokenRefused: fixed('40001 with a good token', REFUSALS.invalid),
  tokenExpired: fixed('42001 with a good token', REFUSALS.expired),
  busyThenGone: {
    says: '-1 at first, then 40007: it expires in the middle of the retries',
    amount: 'how many tries meet -1',
    play: (exchange: Exchange) =>
      refuse(exchange, exchange.tries <= exchange.amount ? SYSTEM_BUSY : INVALID_MEDIA),
  },
} satisfies Record<string, Row>;
