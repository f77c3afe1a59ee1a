/** Reads an access token as other programs keep it: bare, JSON of several dialects, serialised by PHP. */

import { isToken } from '../api/client.ts';
import { type ApiResponse, errcodeOf, parseApiResponse } from '../api/response.ts';

export interface ExternalToken {
  readonly value: string;
  /** Undefined: whoever keeps it did not say. */
  readonly expiresAt: Date | undefined;
}

const TOKEN_NAMES = ['access_token', 'accessToken', 'AccessToken', 'authorizer_access_token', 'token'];
const END_NAMES = ['expireTime', 'expire_time', 'expires_at', 'expiresAt', 'expired_at'];
const LIFE_NAMES = ['expires_in', 'expiresIn'];

/**
 * The token in `text`, or undefined where no known layout fits. Bare (WxJava), a JSON string (wechatpy, silenceper),
 * JSON `{accessToken, expireTime}` in milliseconds (the SDKs of Node), PHP's `s:136:"…";` or an array with
 * `access_token` (EasyWeChat), the answer of a token call as it is. `isJustSaid`: `expires_in` counts from `now`; in
 * a value that was written at some time it says nothing.
 */
export function parseExternalToken(text: string, now: Date, isJustSaid: boolean): ExternalToken | undefined {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed.startsWith('{')) {
    const answer = parseApiResponse(trimmed);
    return answer && parseExternalTokenFields(answer, now, isJustSaid);
  }
  const quoted = trimmed.startsWith('"') ? parseString(trimmed) : undefined;
  const value = quoted ?? phpString(trimmed) ?? trimmed;
  // Real tokens have no quotes and braces: what is left of another layout does.
  return isToken(value) && !/["'{}<>;]/.test(value) ? { value, expiresAt: undefined } : undefined;
}

/** The same where the fields are apart already, as in a hash of Redis. */
export function parseExternalTokenFields(
  fields: ApiResponse,
  now: Date,
  isJustSaid: boolean,
): ExternalToken | undefined {
  if (errcodeOf(fields)) return undefined;
  const value = TOKEN_NAMES.map((name) => fields[name]).find(isToken);
  if (value === undefined) {
    const { data } = fields;
    return typeof data === 'object' && data !== null && !Array.isArray(data) && data !== fields
      ? parseExternalTokenFields(data as ApiResponse, now, isJustSaid)
      : undefined;
  }
  const end = END_NAMES.map((name) => timeOf(fields[name])).find((time) => time !== undefined);
  const seconds = LIFE_NAMES.map((name) => Number(fields[name])).find((life) => life > 0 && life <= 86_400);
  const counted = isJustSaid && seconds ? new Date(now.getTime() + seconds * 1000) : undefined;
  return { value, expiresAt: end ?? counted };
}

/** Seconds or milliseconds since 1970, or a date as text. */
function timeOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const number = Number(value);
  const ms = Number.isFinite(number)
    ? number * (number < 100_000_000_000 ? 1000 : 1)
    : Date.parse(`${value}`);
  const date = new Date(ms);
  return date.getUTCFullYear() >= 2011 && date.getUTCFullYear() < 2100 ? date : undefined;
}

function parseString(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `s:3:"abc";`, alone or as `access_token` of an array. Lengths are checked: cut values are no tokens. */
function phpString(text: string): string | undefined {
  const found =
    /^s:(\d{1,4}):"([^"]*)";$/.exec(text) ?? /s:12:"access_token";s:(\d{1,4}):"([^"]*)";/.exec(text);
  return found && Number(found[1]) === found[2]!.length ? found[2] : undefined;
}
