/** WeChat's JSON calls. Bytes go another way (download.ts). */
import { type Account, type Product, tokenSourceOf } from '../../account.ts';
import { failure } from '../../failures.ts';
import { createJsonClient, type JsonClientOptions } from '../http/json-client.ts';
import type { Endpoint } from './errcode-table.ts';
import { type ApiResponse, errcodeFailure, errcodeOf, httpFailure, parseApiResponse } from './response.ts';

export interface WechatApiOptions extends JsonClientOptions {
  /** `https://api.weixin.qq.com`; http is allowed, for a gateway of one's own. */
  readonly baseUrl: string;
  /** The same for accounts of WeCom. */
  readonly wecomBaseUrl?: string | undefined;
}

export const WECOM_BASE_URL = 'https://qyapi.weixin.qq.com';

export interface IssuedToken {
  readonly value: string;
  readonly expiresInMs: number;
}

export interface ApiCall {
  readonly product: Product;
  /** Decides what an errcode means. */
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Present: a POST of JSON. */
  readonly body?: object;
  /** Cut out of what WeChat says: it is known to quote tokens. */
  readonly secrets: readonly string[];
  readonly maxResponseBytes?: number;
}

export interface WechatApi {
  /**
   * Asks for a token of the account's own kind. stable_token in normal mode: as long as the token is valid the same
   * one comes back, whoever asks, and near its end a new one while the old stays good for five minutes. 10,000 calls
   * a minute; never force_refresh, which is limited to 20 a day and kills the token others are using. /cgi-bin/token:
   * a new one each time, 2,000 a day, and the one before dies within five minutes. gettoken (WeCom): as
   * stable_token, but who asks often is blocked.
   */
  requestToken(account: Account, signal: AbortSignal): Promise<IssuedToken>;
  /** Any other call. An errcode other than 0 is thrown as its failure. */
  call(call: ApiCall, signal: AbortSignal): Promise<ApiResponse>;
  close(): void;
}

export function createWechatApi(options: WechatApiOptions): WechatApi {
  const http = createJsonClient(options);
  const bases = { official: options.baseUrl, wecom: options.wecomBaseUrl ?? WECOM_BASE_URL };

  async function call(given: ApiCall, signal: AbortSignal): Promise<ApiResponse> {
    const base = given.product === 'wecom' ? bases.wecom : bases.official;
    const query = given.query ? `?${new URLSearchParams(given.query)}` : '';
    const { status, text } = await http.send(
      {
        url: `${base.replace(/\/+$/, '')}${given.path}${query}`,
        where: given.path,
        ...(given.body ? { body: given.body } : {}),
        ...(given.maxResponseBytes ? { maxResponseBytes: given.maxResponseBytes } : {}),
      },
      signal,
    );
    const answer = parseApiResponse(text);
    const errcode = answer && errcodeOf(answer);
    if (answer && errcode) throw errcodeFailure(answer, errcode, given);
    if (status !== 200) throw httpFailure(status, given.path);
    if (!answer) throw failure('malformed_answer', `${given.path}: no JSON object`);
    return answer;
  }

  return {
    requestToken: async (account, signal) => {
      const asked = tokenCall(account);
      const from = { product: account.product, endpoint: 'token', secrets: [account.secret] } as const;
      return readIssuedToken(await call({ ...asked, ...from }, signal), 'access_token', asked.path);
    },
    call,
    close: http.close,
  };
}

function tokenCall(account: Account): Pick<ApiCall, 'path' | 'query' | 'body'> {
  const { appId, secret } = account;
  const grant_type = 'client_credential';
  switch (tokenSourceOf(account).type) {
    case 'gettoken':
      return { path: '/cgi-bin/gettoken', query: { corpid: appId, corpsecret: secret } };
    case 'token':
      return { path: '/cgi-bin/token', query: { grant_type, appid: appId, secret } };
    default:
      return { path: '/cgi-bin/stable_token', body: { grant_type, appid: appId, secret } };
  }
}

/** Tokens live for two hours; an answer that says otherwise shall not make a date beyond what a database takes. */
const MAX_TOKEN_LIFE_MS = 86_400_000;

export const isToken = (value: unknown): value is string =>
  typeof value === 'string' && /^[\x21-\x7e]{1,2048}$/.test(value);

/** The token in an answer, under the name this call gives it. */
export function readIssuedToken(answer: ApiResponse, name: string, path: string): IssuedToken {
  const value = answer[name];
  const expiresInMs = Number(answer.expires_in) * 1000;
  if (!isToken(value) || !(expiresInMs > 0)) throw failure('malformed_answer', `${path}: no usable token`);
  return { value, expiresInMs: Math.min(expiresInMs, MAX_TOKEN_LIFE_MS) };
}
