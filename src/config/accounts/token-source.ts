/** Reads `tokenSource` of an account in ACCOUNTS_FILE. Its secrets may be in separate files. */
import { z } from 'zod';
import type { TokenSource } from '../../account.ts';
import { url } from '../values/kinds.ts';

const filled = z.string().min(1, 'must not be empty');
const secret = filled.max(4096).optional();
const file = filled.optional();

/** Accepts both forms: `"token"` and `{"type": "token"}`. */
export const tokenSourceSchema = z.preprocess(
  (value) => (typeof value === 'string' ? { type: value } : value),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('stable_token') }),
    z.strictObject({ type: z.literal('token') }),
    z.strictObject({ type: z.literal('gettoken') }),
    z.strictObject({
      type: z.literal('component'),
      componentAppId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -'),
      componentSecret: secret,
      componentSecretFile: file,
      refreshToken: secret,
      refreshTokenFile: file,
    }),
    z.strictObject({
      type: z.literal('redis'),
      url: secret,
      urlFile: file,
      key: filled.max(512),
      field: filled.max(512).optional(),
    }),
    z.strictObject({
      type: z.literal('http'),
      url: secret,
      urlFile: file,
      authorization: secret,
      authorizationFile: file,
      reportUrl: secret,
      reportUrlFile: file,
    }),
    z.strictObject({ type: z.literal('static'), accessToken: secret, accessTokenFile: file }),
  ]),
);

/** The types and their descriptions, for the documentation. */
export const TOKEN_SOURCES: readonly (readonly [type: string, fields: string, about: string])[] = [
  [
    'stable_token',
    '–',
    'Requested by this service, only in normal mode, which invalidates no other token. The default',
  ],
  [
    'token',
    '–',
    'The older /cgi-bin/token, renewed by one process at a time. A request invalidates the token of other programs',
  ],
  ['gettoken', '–', 'WeCom; its default'],
  [
    'component',
    '`componentAppId` `componentSecret` 🔒 `refreshToken` 🔒 (optional)',
    'An account that authorised a third-party platform. The authorisation events must also be sent to /wechat/{account}, because they contain the ticket',
  ],
  [
    'redis',
    '`url` 🔒 `key` `field` (of a hash)',
    'Stored by another program: WxJava `wx:access_token:{appId}`, silenceper/wechat `gowechat_officialaccount__access_token_{appId}`, wechatpy `wechatpy:{appId}_access_token`, EasyWeChat, the JSON of SDKs for Node. This service only reads it',
  ],
  [
    'http',
    '`url` 🔒 `authorization` 🔒 `reportUrl` 🔒 (both optional)',
    'A token service: GET returns the token, or JSON with `access_token` and `expires_in`; a refused token is POSTed to `reportUrl` as `{appId, accessToken}`',
  ],
  ['static', '`accessToken` 🔒', 'For tests of up to two hours'],
];

type Entry = z.infer<typeof tokenSourceSchema>;

/**
 * Returns the secret in the field `name`, or in the file that the field `nameFile` names. Returns undefined if neither
 * is set, or after a mistake, which it reports. With `needed`, a missing secret is a mistake.
 */
export type ReadSecret = (
  from: Readonly<Record<string, unknown>>,
  name: string,
  need: 'needed' | 'optional',
) => string | undefined;

export interface ReadSource {
  readonly source: TokenSource;
  /** The secret of a third-party platform. It replaces the account's secret. */
  readonly secret?: string;
}

const HEADER = /^[\x20-\x7e]+$/;
const TOKEN = /^[\x21-\x7e]{1,2048}$/;

/** Returns undefined after a reported mistake. */
export function readTokenSource(
  entry: Entry,
  readSecret: ReadSecret,
  report: (field: string, problem: string) => void,
): ReadSource | undefined {
  const link = (name: 'url' | 'reportUrl', schemes: string[], need: 'needed' | 'optional' = 'needed') => {
    const text = readSecret(entry, name, need);
    const parsed = text === undefined ? undefined : url(schemes).parse(text);
    if (parsed && 'wrong' in parsed) report(name, parsed.wrong);
    return parsed && 'value' in parsed ? parsed.value : undefined;
  };
  const matching = (name: string, pattern: RegExp, rule: string, need: 'needed' | 'optional') => {
    const text = readSecret(entry, name, need);
    if (text === undefined || pattern.test(text)) return text;
    report(name, rule);
    return undefined;
  };
  switch (entry.type) {
    case 'component': {
      const secret = readSecret(entry, 'componentSecret', 'needed');
      const refreshToken = readSecret(entry, 'refreshToken', 'optional');
      const { type, componentAppId } = entry;
      return secret === undefined
        ? undefined
        : { source: { type, componentAppId, ...(refreshToken ? { refreshToken } : {}) }, secret };
    }
    case 'redis': {
      const { type, key, field } = entry;
      const found = link('url', ['redis', 'rediss']);
      return found ? { source: { type, url: found, key, ...(field ? { field } : {}) } } : undefined;
    }
    case 'http': {
      const found = link('url', ['http', 'https']);
      const reportUrl = link('reportUrl', ['http', 'https'], 'optional');
      const rule = 'must be printable ASCII';
      const authorization = matching('authorization', HEADER, rule, 'optional');
      if (found === undefined) return undefined;
      const more = { ...(authorization ? { authorization } : {}), ...(reportUrl ? { reportUrl } : {}) };
      return { source: { type: entry.type, url: found, ...more } };
    }
    case 'static': {
      const rule = 'must be printable ASCII without spaces';
      const accessToken = matching('accessToken', TOKEN, rule, 'needed');
      return accessToken === undefined ? undefined : { source: { type: entry.type, accessToken } };
    }
    default:
      return { source: entry };
  }
}
