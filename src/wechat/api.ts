/** WeChat's JSON calls. Bytes go another way (download.ts). */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { type AxiosError, type AxiosProxyConfig } from 'axios';
import type { Account } from '../account.ts';
import { type FailureError, failure } from '../failures.ts';
import { type Answer, errcodeFailure, errcodeOf, httpFailure, parseAnswer } from './answer.ts';
import type { Endpoint } from './errcode-table.ts';

export interface WechatApiOptions {
  /** `https://api.weixin.qq.com`; http is allowed, for a gateway of one's own. */
  readonly baseUrl: string;
  /** The only proxy used: the HTTP_PROXY family of variables is ignored. */
  readonly proxyUrl?: string | undefined;
  /** For one call, from connecting to the last byte. */
  readonly timeoutMs?: number;
}

export interface IssuedToken {
  readonly value: string;
  readonly expiresInMs: number;
}

export interface WechatApi {
  /**
   * Asks stable_token in normal mode: as long as the token is valid the same one comes back, whoever asks, and near
   * its end a new one while the old stays good for five minutes. 10,000 calls a minute; never force_refresh, which
   * is limited to 20 a day and kills the token others are using.
   */
  askToken(account: Account, signal: AbortSignal): Promise<IssuedToken>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

export function createWechatApi(options: WechatApiOptions): WechatApi {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  // Agents of our own: the global ones may be told by NODE_USE_ENV_PROXY to go through a proxy of the environment.
  const httpAgent = new HttpAgent({ keepAlive: true, maxSockets: 8 });
  const httpsAgent = new HttpsAgent({ keepAlive: true, maxSockets: 8 });
  const client = axios.create({
    baseURL: options.baseUrl,
    httpAgent,
    httpsAgent,
    proxy: options.proxyUrl ? proxyConfig(options.proxyUrl) : false,
    timeout: timeoutMs,
    maxRedirects: 0,
    maxContentLength: MAX_ANSWER_BYTES,
    responseType: 'text',
    transformResponse: [],
    decompress: false,
    headers: { 'Accept-Encoding': 'identity' },
    validateStatus: () => true,
  });

  /** POSTs JSON and reads the answer; an errcode other than 0 is thrown as its failure. */
  async function post(
    account: Account,
    call: { path: string; endpoint: Endpoint; body: object },
    signal: AbortSignal,
  ): Promise<Answer> {
    // axios' own timeout is one of silence; this one is of the whole call.
    const total = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await client
      .post<string>(call.path, call.body, { signal: total })
      .catch((error: AxiosError) => {
        signal.throwIfAborted();
        throw withoutRequest(error, call.path);
      });
    const answer = parseAnswer(String(response.data));
    const errcode = answer && errcodeOf(answer);
    if (answer && errcode) {
      const { product, secret } = account;
      throw errcodeFailure(answer, errcode, { product, endpoint: call.endpoint, secrets: [secret] });
    }
    if (response.status !== 200) throw httpFailure(response.status, call.path);
    if (!answer) throw failure('malformed_answer', `${call.path}: no JSON object`);
    return answer;
  }

  return {
    askToken: async (account, signal) => {
      const answer = await post(
        account,
        {
          path: '/cgi-bin/stable_token',
          endpoint: 'token',
          body: { grant_type: 'client_credential', appid: account.appId, secret: account.secret },
        },
        signal,
      );
      const value = answer.access_token;
      const expiresInMs = Number(answer.expires_in) * 1000;
      if (typeof value !== 'string' || !/^[\x21-\x7e]{1,2048}$/.test(value) || !(expiresInMs > 0)) {
        throw failure('malformed_answer', '/cgi-bin/stable_token: no usable token');
      }
      return { value, expiresInMs: Math.min(expiresInMs, MAX_LIFE_MS) };
    },
    close: () => {
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

/** Tokens live for two hours; an answer that says otherwise shall not make a date beyond what a database takes. */
const MAX_LIFE_MS = 86_400_000;

function proxyConfig(proxyUrl: string): AxiosProxyConfig {
  const url = new URL(proxyUrl);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    protocol: url.protocol,
    host: url.hostname,
    port,
    ...(username ? { auth: { username, password } } : {}),
  };
}

/** The failure in words of ours. An AxiosError carries the request, and the request the secret: it stays here. */
function withoutRequest(error: AxiosError, path: string): FailureError {
  const code = typeof error.code === 'string' ? error.code : 'unknown';
  const timedOut = ['ECONNABORTED', 'ETIMEDOUT', 'ERR_CANCELED'].includes(code);
  if (code === 'ERR_BAD_RESPONSE') return failure('malformed_answer', `${path}: unreadable or too long`);
  return failure(timedOut ? 'timeout' : 'network', `${path}: ${code}`);
}
