/** Response faults: errcodes, in every form in which WeChat was seen to send them. */
import { REFUSALS, type Refusal } from '../accounts/access-tokens.ts';
import { JSON_TYPE, sendText } from '../http/responses.ts';
import { type FaultContext, type FaultSpec, sendErrcode } from './fault-context.ts';

export const INVALID_MEDIA: Refusal = { errcode: 40007, errmsg: 'invalid media_id' };
export const SYSTEM_BUSY: Refusal = { errcode: -1, errmsg: 'system error' };

/** WeChat's texts for the errcodes that tests use most. */
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

/** The errcode given as amount, its body changed. */
const errcode = (
  description: string,
  change?: (body: string) => string,
  contentType?: string,
): FaultSpec => ({
  description,
  amount: 'the errcode',
  needsNoFile: true,
  respond: (context) => sendErrcode(context, refusalOf(context.amount), change, contentType),
});
const fixed = (description: string, refusal: Refusal): FaultSpec => ({
  description,
  needsNoFile: true,
  respond: (context) => sendErrcode(context, refusal),
});

export const ERRCODE_FAULTS = {
  invalid: {
    description: '40007 from the first request on',
    respond: (context: FaultContext) => sendErrcode(context, INVALID_MEDIA),
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
  errcodeAfterBom: errcode(
    'the errcode after a byte order mark and an empty line',
    (body) => `\uFEFF\n${body}`,
  ),
  errcodeZero: {
    description: 'errcode 0 and no file',
    needsNoFile: true,
    respond: ({ response }: FaultContext) => {
      sendText(response, '{"errcode":0,"errmsg":"ok"}', JSON_TYPE);
      return 'faulty' as const;
    },
  },
  systemBusy: fixed('-1', SYSTEM_BUSY),
  tokenRefused: fixed('40001 with a valid token', REFUSALS.invalid),
  tokenExpired: fixed('42001 with a valid token', REFUSALS.expired),
  busyThenInvalid: {
    description: '-1 at first, then 40007, as when the item expires during the retries',
    amount: 'attempts that get -1',
    respond: (context: FaultContext) =>
      sendErrcode(context, context.attempt <= context.amount ? SYSTEM_BUSY : INVALID_MEDIA),
  },
} satisfies Record<string, FaultSpec>;
