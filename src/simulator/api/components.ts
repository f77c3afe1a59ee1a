/** The API of third-party platforms: the ticket, the platform's token, and the tokens of the accounts that authorised it. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import type { AccessTokens, Refusal, SimulatedAccount } from '../accounts/access-tokens.ts';
import { type ApiResult, readPost, refused, sendResult } from '../http/json-responses.ts';
import type { RequestLog } from '../http/request-log.ts';
import { isSame, type Members } from '../http/requests.ts';

export interface SimulatedComponent {
  readonly appId: string;
  readonly secret: string;
  /** Signs the callbacks of the platform and of all its accounts; these are always encrypted. */
  readonly token: string;
  readonly encodingAesKey: string;
  /** The identities of the accounts that authorised it. */
  readonly authorizers: readonly string[];
}

export interface Components {
  /** Returns a new ticket for a component_verify_ticket callback; earlier ones stay valid for their twelve hours. */
  ticket(componentAppId: string): string;
  /** Returns the valid refresh token, as the callback of the authorisation would contain it. */
  refreshToken(account: string): string;
  /** Replaces it, as a new authorisation does; the earlier one gets 61023. */
  rotateRefreshToken(account: string): string;
  /** Withdraws the authorisation: 61003. */
  unauthorize(account: string): void;
  /** Resolves with false for a path that is not one of these. */
  handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

const TICKET_LIFETIME_MS = 12 * 3_600_000;
const TOKEN_LIFETIME_SECONDS = 7200;

export function createComponents(options: {
  components: readonly SimulatedComponent[];
  accounts: readonly SimulatedAccount[];
  clock: Pick<Clock, 'now'>;
  tokens: Pick<AccessTokens, 'issueAuthorizer'>;
  requestLog: Pick<RequestLog, 'count' | 'errcode'>;
}): Components {
  const { components, clock, requestLog } = options;
  const rotations = new Map<string, number>();
  const unauthorized = new Set<string>();
  const nowMs = () => clock.now().getTime();

  /** A ticket or token: its time of issue under a digest. */
  const issue = (kind: string, component: SimulatedComponent, issuedAtMs: number) => {
    const digest = createHmac('sha256', component.secret).update(`${kind} ${component.appId} ${issuedAtMs}`);
    return `${kind}@@@${digest.digest('base64url')}${issuedAtMs.toString(36)}`;
  };
  function isValid(kind: string, component: SimulatedComponent, given: unknown, lifetimeMs: number): boolean {
    const issuedAtMs = Number.parseInt(String(given).slice(-8), 36);
    return isSame(given, issue(kind, component, issuedAtMs)) && nowMs() < issuedAtMs + lifetimeMs;
  }

  function refreshToken(account: string): string {
    const text = `simulated refresh ${account} ${rotations.get(account) ?? 0}`;
    return `refreshtoken@@@${createHash('sha256').update(text).digest('base64url')}`;
  }
  function rotateRefreshToken(account: string): string {
    rotations.set(account, (rotations.get(account) ?? 0) + 1);
    return refreshToken(account);
  }

  function componentToken(body: Members): ApiResult {
    const component = components.find(({ appId }) => appId === body.component_appid);
    if (!component) return refused(40013, 'invalid appid');
    if (!isSame(body.component_appsecret, component.secret)) return refused(40125, 'invalid appsecret');
    if (!isValid('ticket', component, body.component_verify_ticket, TICKET_LIFETIME_MS))
      return refused(61006, 'component ticket is expired');
    return {
      ok: {
        component_access_token: issue('component', component, nowMs()),
        expires_in: TOKEN_LIFETIME_SECONDS,
      },
    };
  }

  /** Returns the account that a call with a component token is for. */
  function authorizerOf(query: URLSearchParams, body: Members): SimulatedAccount | Refusal {
    const component = components.find(({ appId }) => appId === body.component_appid);
    if (!component) return refused(40013, 'invalid appid');
    const token = query.get('component_access_token') ?? query.get('access_token');
    if (!token) return refused(41001, 'access_token missing');
    if (!isValid('component', component, token, Number.POSITIVE_INFINITY))
      return refused(40001, 'invalid credential, access_token is invalid or not latest');
    if (!isValid('component', component, token, TOKEN_LIFETIME_SECONDS * 1000))
      return refused(42001, 'access_token expired');
    const account = options.accounts.find(({ appId }) => appId === body.authorizer_appid);
    const isKnown = account && component.authorizers.includes(account.account);
    return isKnown && !unauthorized.has(account.account)
      ? account
      : refused(61003, 'component is not authorized by this account');
  }

  const ROUTES: Readonly<Record<string, (query: URLSearchParams, body: Members) => ApiResult>> = {
    '/cgi-bin/component/api_component_token': (_, body) => componentToken(body),
    '/cgi-bin/component/api_authorizer_token': (query, body) => {
      const account = authorizerOf(query, body);
      if ('errcode' in account) return account;
      if (!isSame(body.authorizer_refresh_token, refreshToken(account.account)))
        return refused(61023, 'refresh_token is invalid');
      const { accessToken, expiresInSeconds } = options.tokens.issueAuthorizer(account);
      return {
        ok: {
          authorizer_access_token: accessToken,
          expires_in: expiresInSeconds,
          authorizer_refresh_token: rotateRefreshToken(account.account),
        },
      };
    },
    '/cgi-bin/component/api_get_authorizer_info': (query, body) => {
      const account = authorizerOf(query, body);
      if ('errcode' in account) return account;
      return {
        ok: {
          authorizer_info: { nick_name: 'simulated' },
          authorization_info: {
            authorizer_appid: account.appId,
            authorizer_refresh_token: refreshToken(account.account),
            func_info: [],
          },
        },
      };
    },
  };

  return {
    ticket: (componentAppId) => {
      const component = components.find(({ appId }) => appId === componentAppId);
      if (!component) throw new RangeError(`no simulated component ${componentAppId}`);
      return issue('ticket', component, nowMs());
    },
    refreshToken,
    rotateRefreshToken,
    unauthorize: (account) => {
      unauthorized.add(account);
    },
    handle: async (url, request, response) => {
      const route = ROUTES[url.pathname];
      if (!route) return false;
      requestLog.count('tokenRequests');
      const post = await readPost(request);
      const result = 'errcode' in post ? post : route(url.searchParams, post.body);
      if ('errcode' in result) requestLog.count('tokensRefused');
      sendResult(response, result, requestLog);
      return true;
    },
  };
}
