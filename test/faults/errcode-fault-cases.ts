/** Cases of errcodes. */
import { always, dead, type FaultCase, INVALID_MEDIA_ID, once } from './fault-case.ts';

export const ERRCODE_CASES: readonly FaultCase[] = [
  { ...dead('invalid', 40007, INVALID_MEDIA_ID, 'dead after one attempt'), amount: 0 },
  dead('errcode', 40007, INVALID_MEDIA_ID, 'as application/json with encoding=: dead after one attempt'),
  dead('errcode', 123_456, /^unknown_errcode$/, 'an unknown errcode: dead after three attempts', {
    attempts: 3,
  }),
  dead('errcodeAsText', 40007, INVALID_MEDIA_ID, 'is read as 40007'),
  dead('errcodeAsString', 40007, INVALID_MEDIA_ID, 'is read as the number 40007'),
  dead('errcodeWithControlCharacters', 40007, INVALID_MEDIA_ID, 'is read as 40007'),
  dead('errcodeInBaseResp', 40007, INVALID_MEDIA_ID, 'is read as 40007'),
  dead('errcodeAfterBom', 40007, INVALID_MEDIA_ID, 'is read as 40007'),
  once('errcodeZero', /^ok_without_media$/, 'once: neither an error nor a file'),
  always('errcodeZero', /^ok_without_media$/, 'always: it never becomes an object', { kind: 'image' }),
  once('systemBusy', /^system_busy$/, 'twice: the third attempt archives it', { times: 2, attempts: 3 }),
  always('systemBusy', /^system_busy$/, 'always: retried until the item expires'),
  once('tokenRefused', /^access_token_invalid$/, 'once with a valid token: the same token is used again', {
    alone: true,
    attempts: [1, 3],
  }),
  once(
    'tokenExpired',
    /^access_token_(invalid|expired)$/,
    'once with a valid token: the same token is used again',
    {
      alone: true,
      attempts: [1, 3],
    },
  ),
  {
    fault: 'busyThenInvalid',
    note: 'before the item expires: dead',
    amount: 2,
    becomes: 'dead',
    attempts: 3,
    errcode: 40007,
    code: /^(system_busy|invalid_media_id)$/,
  },
  {
    ...always('systemBusy', /^system_busy$/, 'always until the item expires, then 40007: expired'),
    errcode: 40007,
  },
];
