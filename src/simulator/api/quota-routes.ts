/** The routes that read and clear an account's quota (openapi/quota/get, clear_quota, quota/clear). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessTokens, SimulatedAccount } from '../accounts/access-tokens.ts';
import { isCounted, type Quotas } from '../accounts/quotas.ts';
import { type ApiResult, readPost, refused, sendResult } from '../http/json-responses.ts';
import type { RequestLog } from '../http/request-log.ts';
import { isSame, type Members } from '../http/requests.ts';

const OK: Members = { errcode: 0, errmsg: 'ok' };
const NO_RATE = { call_count: 0, refresh_second: 0 };

type Route = (account: SimulatedAccount, body: Members) => ApiResult;

export interface QuotaRoutes {
  /** Resolves with false for a path that is not one of these. */
  handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export function createQuotaRoutes(options: {
  accounts: readonly SimulatedAccount[];
  tokens: Pick<AccessTokens, 'check'>;
  quotas: Pick<Quotas, 'usage' | 'clear'>;
  requestLog: Pick<RequestLog, 'count' | 'errcode'>;
}): QuotaRoutes {
  const { quotas, requestLog } = options;

  function clear(account: SimulatedAccount, api?: Parameters<Quotas['clear']>[1]): ApiResult {
    const refusal = quotas.clear(account.account, api);
    if (!refusal) requestLog.count('quotaClears');
    return refusal ?? { ok: OK };
  }

  /** Called with an access token. */
  const TOKEN_ROUTES: Readonly<Record<string, Route>> = {
    '/cgi-bin/openapi/quota/get': ({ account }, { cgi_path: path }) => {
      requestLog.count('quotaRequests');
      if (typeof path !== 'string' || !isCounted(path)) return refused(76003, 'cgi_path not found');
      const { limit, used } = quotas.usage(account, path);
      const quota = { daily_limit: limit, used, remain: limit - used };
      return { ok: { ...OK, quota, rate_limit: NO_RATE, component_rate_limit: NO_RATE } };
    },
    '/cgi-bin/clear_quota': (account, { appid }) =>
      appid === account.appId ? clear(account) : refused(40013, 'invalid appid'),
    '/cgi-bin/openapi/quota/clear': (account, { cgi_path: path }) =>
      typeof path === 'string' && isCounted(path)
        ? clear(account, path)
        : refused(76003, 'cgi_path not found'),
  };

  /** Called with the secret, for accounts that have no quota left for tokens either. */
  function clearBySecret({ appid, appsecret }: Members): ApiResult {
    const account = options.accounts.find((candidate) => candidate.appId === appid);
    if (!account) return refused(40013, 'invalid appid');
    return isSame(appsecret, account.secret) ? clear(account) : refused(40125, 'invalid appsecret');
  }

  async function handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const route = TOKEN_ROUTES[url.pathname];
    if (!route && url.pathname !== '/cgi-bin/clear_quota/v2') return false;
    const post = await readPost(request);
    const result = (): ApiResult => {
      if ('errcode' in post) return post;
      if (!route) return clearBySecret(post.body);
      const account = options.tokens.check(url.searchParams.get('access_token'));
      return 'errcode' in account ? account : route(account, post.body);
    };
    sendResult(response, result(), requestLog);
    return true;
  }

  return { handle };
}
