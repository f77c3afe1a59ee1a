/** Parses an access token in the formats that other programs store: bare, several JSON formats, serialised by PHP. */
import { isToken } from '../api/client.ts';
import { type ApiResponse, errcodeOf, parseApiResponse } from '../api/response.ts';

export interface ExternalToken {
  readonly value: string;
  /** Undefined: the stored value does not contain the expiry. */
  readonly expiresAt: Date | undefined;
}

const TOKEN_NAMES = ['access_token', 'accessToken', 'AccessToken', 'authorizer_access_token', 'token'];
const END_NAMES = ['expireTime', 'expire_time', 'expires_at', 'expiresAt', 'expired_at'];
const LIFE_NAMES = ['expires_in', 'expiresIn'];

/**
 * Returns the token in `text`, or undefined for an unknown format. The known formats are: bare (WxJava), a JSON string
 * (wechatpy, silenceper), JSON `{accessToken, expireTime}` in milliseconds (the Node SDKs), PHP's `s:136:"…";` or an
 * array with `access_token` (EasyWeChat), and an unchanged response of a token call. `isFresh`: whether the value was
 * created just now, so that `expires_in` counts from `now`. In a stored value `expires_in` is ignored, because its
 * start is unknown.
 */
export function parseExternalToken(text: string, now: Date, isFresh: boolean): ExternalToken | undefined {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed.startsWith('{')) {
    const fields = parseApiResponse(trimmed);
    return fields && parseExternalTokenFields(fields, now, isFresh);
  }
  const quoted = trimmed.startsWith('"') ? parseString(trimmed) : undefined;
  const value = quoted ?? phpString(trimmed) ?? trimmed;
  // Tokens contain no quotes or braces: a value that contains them has an unknown format.
  return isToken(value) && !/["'{}<>;]/.test(value) ? { value, expiresAt: undefined } : undefined;
}

/** Returns the token of a value that is already split into fields, like a Redis hash. */
export function parseExternalTokenFields(
  fields: ApiResponse,
  now: Date,
  isFresh: boolean,
): ExternalToken | undefined {
  if (errcodeOf(fields)) return undefined;
  const value = TOKEN_NAMES.map((name) => fields[name]).find(isToken);
  if (value === undefined) {
    const { data } = fields;
    return typeof data === 'object' && data !== null && !Array.isArray(data) && data !== fields
      ? parseExternalTokenFields(data as ApiResponse, now, isFresh)
      : undefined;
  }
  const expiresAt = END_NAMES.map((name) => timeOf(fields[name])).find((time) => time !== undefined);
  const seconds = LIFE_NAMES.map((name) => Number(fields[name])).find((life) => life > 0 && life <= 86_400);
  const countedFromNow = isFresh && seconds ? new Date(now.getTime() + seconds * 1000) : undefined;
  return { value, expiresAt: expiresAt ?? countedFromNow };
}

/** Parses seconds or milliseconds since 1970, or a date as text. */
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

/** Parses `s:3:"abc";`, alone or as `access_token` of an array. The length is checked: a cut value is not a token. */
function phpString(text: string): string | undefined {
  const found =
    /^s:(\d{1,4}):"([^"]*)";$/.exec(text) ?? /s:12:"access_token";s:(\d{1,4}):"([^"]*)";/.exec(text);
  return found && Number(found[1]) === found[2]!.length ? found[2] : undefined;
}
