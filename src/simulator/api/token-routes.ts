/** The routes that issue access tokens by app id and secret. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessTokens, IssuedToken, Refusal, SimulatedAccount } from '../accounts/access-tokens.ts';
import type { CountedApi, Quotas } from '../accounts/quotas.ts';
import type { AccountFaults } from '../faults/account-faults.ts';
import type { AccountWideFaults } from '../faults/account-wide-faults.ts';
import { readPost, refused, sendResult } from '../http/json-responses.ts';
import type { RequestLog } from '../http/request-log.ts';
import { isSame } from '../http/requests.ts';

export interface TokenRoutes {
  /** GET /cgi-bin/token */
  classic(query: URLSearchParams, response: ServerResponse): Promise<void>;
  /** POST /cgi-bin/stable_token */
  stable(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** GET /cgi-bin/gettoken of WeCom */
  wecom(query: URLSearchParams, response: ServerResponse): Promise<void>;
}

export function createTokenRoutes(options: {
  accounts: readonly SimulatedAccount[];
  tokens: Pick<AccessTokens, 'issueClassic' | 'issueStable' | 'issueWecom'>;
  quotas: Pick<Quotas, 'use'>;
  accountFaults: Pick<AccountFaults, 'beginRequest'>;
  accountWideFaults: Pick<AccountWideFaults, 'respond'>;
  requestLog: Pick<RequestLog, 'count' | 'errcode'>;
}): TokenRoutes {
  const { tokens, requestLog } = options;
  const apps = options.accounts.filter(({ product }) => product !== 'wecom');
  const agents = options.accounts.filter(({ product }) => product === 'wecom');

  function sendToken(response: ServerResponse, result: IssuedToken | Refusal, ok = {}): void {
    requestLog.count('tokenRequests');
    if ('errcode' in result) {
      requestLog.count('tokensRefused');
      sendResult(response, result, requestLog);
      return;
    }
    const { accessToken: access_token, expiresInSeconds: expires_in } = result;
    sendResult(response, { ok: { ...ok, access_token, expires_in } }, requestLog);
  }

  /** Issues a token to a known account, unless a fault or a quota refuses. */
  async function issueToken(
    response: ServerResponse,
    account: SimulatedAccount | Refusal,
    api: CountedApi | undefined,
    issue: (account: SimulatedAccount) => IssuedToken | Refusal,
    ok = {},
  ): Promise<void> {
    if ('errcode' in account) return sendToken(response, account);
    const { refusal, finish } = options.accountFaults.beginRequest(account, 'token');
    finish();
    const refused = refusal ?? (api && options.quotas.use(account.account, api));
    if (refused) return sendToken(response, refused);
    if (await options.accountWideFaults.respond(account, 'token', response))
      requestLog.count('tokenRequests');
    else sendToken(response, issue(account), ok);
  }

  /** `wrongSecret` differs between the two endpoints. */
  function appOf(appId: unknown, secret: unknown, wrongSecret: Refusal): SimulatedAccount | Refusal {
    if (!appId) return refused(41002, 'appid missing');
    const account = apps.find((candidate) => candidate.appId === appId);
    if (!account) return refused(40013, 'invalid appid');
    if (typeof secret !== 'string' || !secret) return refused(41004, 'appsecret missing');
    return isSame(secret, account.secret) ? account : wrongSecret;
  }

  /** Every app of a corp has its own secret; 40091 means the secret of another corp. */
  function agentOf(corpId: string | null, secret: string | null): SimulatedAccount | Refusal {
    if (!corpId) return refused(41002, 'corpid missing');
    if (!secret) return refused(41004, 'corpsecret missing');
    if (!agents.some(({ appId }) => appId === corpId)) return refused(40013, 'invalid corpid');
    const owners = agents.filter((agent) => isSame(secret, agent.secret));
    const account = owners.find(({ appId }) => appId === corpId);
    if (account) return account;
    return owners.length > 0
      ? refused(40091, 'provider_secret is invalid')
      : refused(40001, 'invalid credential');
  }

  return {
    classic: async (query, response) => {
      if (query.get('grant_type') !== 'client_credential')
        return sendToken(response, refused(40002, 'invalid grant_type'));
      const account = appOf(
        query.get('appid'),
        query.get('secret'),
        refused(40001, 'invalid credential, invalid appsecret'),
      );
      await issueToken(response, account, '/cgi-bin/token', tokens.issueClassic);
    },
    stable: async (request, response) => {
      const post = await readPost(request);
      if ('errcode' in post) return sendToken(response, post);
      const { grant_type, appid, secret, force_refresh } = post.body;
      if (grant_type !== 'client_credential')
        return sendToken(response, refused(40002, 'invalid grant_type'));
      const account = appOf(appid, secret, refused(40125, 'invalid appsecret'));
      const issue = (known: SimulatedAccount) => tokens.issueStable(known, force_refresh === true);
      await issueToken(response, account, '/cgi-bin/stable_token', issue);
    },
    wecom: async (query, response) => {
      const account = agentOf(query.get('corpid'), query.get('corpsecret'));
      // WeCom's successes contain errcode 0.
      await issueToken(response, account, undefined, tokens.issueWecom, { errcode: 0, errmsg: 'ok' });
    },
  };
}
