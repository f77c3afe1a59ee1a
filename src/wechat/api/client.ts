/** The JSON calls of WeChat. Files are downloaded by media/download.ts. */
import { type Account, type Product, tokenSourceOf } from '../../account.ts';
import { failure } from '../../failures.ts';
import { setStatus, traceRequest } from '../../runtime/tracing/requests.ts';
import { NO_TRACER, type Span, type Tracer } from '../../runtime/tracing/tracer.ts';
import { createJsonClient, type JsonClientOptions } from '../http/json-client.ts';
import type { Endpoint } from './errcode-rows/meaning.ts';
import { type ApiResponse, errcodeFailure, errcodeOf, httpFailure, parseApiResponse } from './response.ts';

export interface WechatApiOptions extends JsonClientOptions {
  /** `https://api.weixin.qq.com`. http is allowed, for a gateway in the operator's network. */
  readonly baseUrl: string;
  /** The same for WeCom accounts; default {@link WECOM_BASE_URL}. */
  readonly wecomBaseUrl?: string | undefined;
  readonly tracer?: Tracer | undefined;
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
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: object;
  /** Removed from error messages: WeChat quotes tokens in some of them. */
  readonly secrets: readonly string[];
  readonly maxResponseBytes?: number;
}

export interface WechatApi {
  /**
   * Requests a token by the call that the account's `tokenSource` names.
   * - stable_token in normal mode: returns the same token to every caller while it is valid, and a new one near its
   *   end; the old one then works for five more minutes. 10,000 calls a minute. force_refresh is never used: it is
   *   limited to 20 a day and invalidates the token that other programs use.
   * - /cgi-bin/token: returns a new token each time, 2,000 a day; the previous one stops working within five minutes.
   * - gettoken (WeCom): as stable_token, but WeCom blocks callers that request tokens often.
   */
  requestToken(account: Account, signal: AbortSignal): Promise<IssuedToken>;
  /** Makes any other call. Rejects with the failure of an errcode other than 0. */
  call(call: ApiCall, signal: AbortSignal): Promise<ApiResponse>;
  close(): void;
}

export function createWechatApi(options: WechatApiOptions): WechatApi {
  const http = createJsonClient(options);
  const { tracer = NO_TRACER } = options;
  const bases = { official: options.baseUrl, wecom: options.wecomBaseUrl ?? WECOM_BASE_URL };

  function send(request: ApiCall, signal: AbortSignal): Promise<ApiResponse> {
    const url = request.product === 'wecom' ? bases.wecom : bases.official;
    const method = request.body ? 'POST' : 'GET';
    return traceRequest(tracer, { method, url, path: request.path, onlyInside: true }, (span) =>
      exchange(url, request, signal, span),
    );
  }

  async function exchange(
    base: string,
    request: ApiCall,
    signal: AbortSignal,
    span: Span,
  ): Promise<ApiResponse> {
    const query = request.query ? `?${new URLSearchParams(request.query)}` : '';
    const { status, text } = await http.send(
      {
        url: `${base.replace(/\/+$/, '')}${request.path}${query}`,
        where: request.path,
        ...(request.body ? { body: request.body } : {}),
        ...(request.maxResponseBytes ? { maxResponseBytes: request.maxResponseBytes } : {}),
      },
      signal,
    );
    setStatus(span, status);
    const response = parseApiResponse(text);
    const errcode = response && errcodeOf(response);
    if (response && errcode) throw errcodeFailure(response, errcode, request);
    if (status !== 200) throw httpFailure(status, request.path);
    if (!response) throw failure('malformed_answer', `${request.path}: no JSON object`);
    return response;
  }

  return {
    requestToken: async (account, signal) => {
      const call = tokenCall(account);
      const from = { product: account.product, endpoint: 'token', secrets: [account.secret] } as const;
      return readIssuedToken(await send({ ...call, ...from }, signal), 'access_token', call.path);
    },
    call: send,
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

/** Tokens live for two hours. A wrong `expires_in` must not become a date that the database rejects. */
const MAX_TOKEN_LIFE_MS = 86_400_000;

export const isToken = (value: unknown): value is string =>
  typeof value === 'string' && /^[\x21-\x7e]{1,2048}$/.test(value);

/** Returns the token of a response. `name` is the member that holds it: it differs from call to call. */
export function readIssuedToken(response: ApiResponse, name: string, path: string): IssuedToken {
  const value = response[name];
  const expiresInMs = Number(response.expires_in) * 1000;
  if (!isToken(value) || !(expiresInMs > 0)) throw failure('malformed_answer', `${path}: no usable token`);
  return { value, expiresInMs: Math.min(expiresInMs, MAX_TOKEN_LIFE_MS) };
}
