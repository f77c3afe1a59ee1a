/** The routes by which an account reads its quota and clears it (openapi/quota/get, clear_quota, quota/clear). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessTokens, SimulatedAccount } from '../accounts/access-tokens.ts';
import { isCounted, type Quotas } from '../accounts/quotas.ts';
import { type Reply, readPost, refused, sendReply } from '../http/json-responses.ts';
import type { Ledger } from '../http/request-log.ts';
import { isSame, type Members } from '../http/requests.ts';

const OK: Members = { errcode: 0, errmsg: 'ok' };
const NO_RATE = { call_count: 0, refresh_second: 0 };

type Answering = (account: SimulatedAccount, body: Members) => Reply;

/** Path → what to do; undefined where the path is another's. */
export function createQuotaRoutes(options: {
  accounts: readonly SimulatedAccount[];
  tokens: Pick<AccessTokens, 'check'>;
  quotas: Pick<Quotas, 'usage' | 'clear'>;
  ledger: Pick<Ledger, 'count' | 'errcode'>;
}): (url: URL, request: IncomingMessage, response: ServerResponse) => Promise<boolean> {
  const { quotas, ledger } = options;

  function clear(account: SimulatedAccount, api?: Parameters<Quotas['clear']>[1]): Reply {
    const refusal = quotas.clear(account.account, api);
    if (!refusal) ledger.count('quotaCleared');
    return refusal ?? { ok: OK };
  }

  /** With an access token. */
  const TOKEN_ROUTES: Readonly<Record<string, Answering>> = {
    '/cgi-bin/openapi/quota/get': ({ account }, { cgi_path: path }) => {
      ledger.count('quotaAsked');
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

  /** By secret, for when the quota of tokens is gone too. */
  function clearBySecret({ appid, appsecret }: Members): Reply {
    const account = options.accounts.find((candidate) => candidate.appId === appid);
    if (!account) return refused(40013, 'invalid appid');
    return isSame(appsecret, account.secret) ? clear(account) : refused(40125, 'invalid appsecret');
  }

  return async (url, request, response) => {
    const route = TOKEN_ROUTES[url.pathname];
    if (!route && url.pathname !== '/cgi-bin/clear_quota/v2') return false;
    const post = await readPost(request);
    const reply = (): Reply => {
      if ('errcode' in post) return post;
      if (!route) return clearBySecret(post.body);
      const account = options.tokens.check(url.searchParams.get('access_token'));
      return 'errcode' in account ? account : route(account, post.body);
    };
    sendReply(response, reply(), ledger);
    return true;
  };
}
