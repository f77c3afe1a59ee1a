/** A third-party platform: its ticket, its own token, and the tokens of the accounts that authorised it. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import type { AccessTokens, Refusal, SimulatedAccount } from '../accounts/access-tokens.ts';
import { type Reply, readPost, refused, sendReply } from '../http/json-responses.ts';
import type { Ledger } from '../http/request-log.ts';
import { isSame, type Members } from '../http/requests.ts';

export interface SimulatedComponent {
  readonly appId: string;
  readonly secret: string;
  /** Signs the callbacks of the platform and of all its accounts; these are always encrypted. */
  readonly token: string;
  readonly encodingAesKey: string;
  /** Identities of the accounts that authorised it. */
  readonly authorizers: readonly string[];
}

export interface Components {
  /** What the next component_verify_ticket callback carries; the ticket before works on until its twelve hours end. */
  ticket(componentAppId: string): string;
  /** The refresh token that works now, as the authorisation's callback would have given it. */
  refreshToken(account: string): string;
  /** Another takes its place, as when the account authorises again; the one before meets 61023. */
  rotate(account: string): string;
  /** Takes the authorisation back: 61003. */
  unauthorize(account: string): void;
  answer(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

const TICKET_LIFE_MS = 12 * 3_600_000;
const TOKEN_LIFE_SECONDS = 7200;

export function createComponents(options: {
  components: readonly SimulatedComponent[];
  accounts: readonly SimulatedAccount[];
  clock: Pick<Clock, 'now'>;
  tokens: Pick<AccessTokens, 'issueAuthorizer'>;
  ledger: Pick<Ledger, 'count' | 'errcode'>;
}): Components {
  const { components, clock, ledger } = options;
  const turns = new Map<string, number>();
  const unauthorized = new Set<string>();
  const nowMs = () => clock.now().getTime();

  /** Text that says when it was born, under a digest. */
  const stamped = (kind: string, component: SimulatedComponent, bornAtMs: number) => {
    const digest = createHmac('sha256', component.secret).update(`${kind} ${component.appId} ${bornAtMs}`);
    return `${kind}@@@${digest.digest('base64url')}${bornAtMs.toString(36)}`;
  };
  function isAlive(kind: string, component: SimulatedComponent, given: unknown, lifeMs: number): boolean {
    const bornAtMs = Number.parseInt(String(given).slice(-8), 36);
    return isSame(given, stamped(kind, component, bornAtMs)) && nowMs() < bornAtMs + lifeMs;
  }

  function refreshToken(account: string): string {
    const turn = `simulated refresh ${account} ${turns.get(account) ?? 0}`;
    return `refreshtoken@@@${createHash('sha256').update(turn).digest('base64url')}`;
  }
  function rotate(account: string): string {
    turns.set(account, (turns.get(account) ?? 0) + 1);
    return refreshToken(account);
  }

  function componentToken(body: Members): Reply {
    const component = components.find(({ appId }) => appId === body.component_appid);
    if (!component) return refused(40013, 'invalid appid');
    if (!isSame(body.component_appsecret, component.secret)) return refused(40125, 'invalid appsecret');
    if (!isAlive('ticket', component, body.component_verify_ticket, TICKET_LIFE_MS))
      return refused(61006, 'component ticket is expired');
    return {
      ok: {
        component_access_token: stamped('component', component, nowMs()),
        expires_in: TOKEN_LIFE_SECONDS,
      },
    };
  }

  /** The account that a call with a component token is about. */
  function authorizerOf(query: URLSearchParams, body: Members): SimulatedAccount | Refusal {
    const component = components.find(({ appId }) => appId === body.component_appid);
    if (!component) return refused(40013, 'invalid appid');
    const token = query.get('component_access_token') ?? query.get('access_token');
    if (!token) return refused(41001, 'access_token missing');
    if (!isAlive('component', component, token, Number.POSITIVE_INFINITY))
      return refused(40001, 'invalid credential, access_token is invalid or not latest');
    if (!isAlive('component', component, token, TOKEN_LIFE_SECONDS * 1000))
      return refused(42001, 'access_token expired');
    const account = options.accounts.find(({ appId }) => appId === body.authorizer_appid);
    const isKnown = account && component.authorizers.includes(account.account);
    return isKnown && !unauthorized.has(account.account)
      ? account
      : refused(61003, 'component is not authorized by this account');
  }

  const ROUTES: Readonly<Record<string, (query: URLSearchParams, body: Members) => Reply>> = {
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
          authorizer_refresh_token: rotate(account.account),
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
      return stamped('ticket', component, nowMs());
    },
    refreshToken,
    rotate,
    unauthorize: (account) => {
      unauthorized.add(account);
    },
    answer: async (url, request, response) => {
      const route = ROUTES[url.pathname];
      if (!route) return false;
      ledger.count('tokensAsked');
      const post = await readPost(request);
      const reply = 'errcode' in post ? post : route(url.searchParams, post.body);
      if ('errcode' in reply) ledger.count('tokensRefused');
      sendReply(response, reply, ledger);
      return true;
    },
  };
}
