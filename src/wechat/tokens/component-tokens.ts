/**
 * Tokens of accounts that authorised a third-party platform: a ticket, pushed every ten minutes, gives the platform's
 * token; that and the account's refresh token give the account's. A refresh token that changes is kept before the
 * access token it came with is used, for without it the account would have to authorise again.
 */
import type { Account } from '../../account.ts';
import { FailureError } from '../../failures.ts';
import { type IssuedToken, isToken, readIssuedToken, type WechatApi } from '../api/client.ts';
import { decryptAtRest, encryptAtRest } from './encrypt-at-rest.ts';
import {
  type AccessToken,
  createManagedTokens,
  type ManagedTokensDeps,
  type ManagedTokensOptions,
  type TokenOwner,
  type Tokens,
} from './managed-tokens.ts';
import { REFRESH_PAUSE_MS } from './refresh-policy.ts';

/** Where tickets and refresh tokens outlive a process. Implemented by the catalogue; values are sealed. */
export interface SecretStore {
  read(name: string): Promise<string | undefined>;
  write(name: string, sealed: string, now: Date): Promise<void>;
}

interface Platform extends TokenOwner {
  /** The platform's own app id. */
  readonly account: string;
}

export interface ComponentTokensDeps
  extends Pick<ManagedTokensDeps<Account>, 'store' | 'clock' | 'lifetimes' | 'log'> {
  api: Pick<WechatApi, 'call'>;
  secrets?: SecretStore;
}

const AUTHORIZER_TOKEN = '/cgi-bin/component/api_authorizer_token';
const AUTHORIZER_INFO = '/cgi-bin/component/api_get_authorizer_info';
const COMPONENT_TOKEN = '/cgi-bin/component/api_component_token';
const REFRESH_TOKEN_CHANGED = 61023;
/** Up to five calls in a row, all within the time after which the flight is given up. */
const LEASE_MS = 25_000;

const ticketName = (platform: string) => `component_verify_ticket ${platform}`;
const refreshName = (platform: string, account: string) => `authorizer_refresh_token ${platform} ${account}`;

/** What is to be kept of a callback of kind `ticket`; valid for twelve hours, the latest counts. */
export function encryptTicket(account: Account, ticket: string): { name: string; encrypted: string } {
  const platform = platformOf(account);
  return { name: ticketName(platform.account), encrypted: encryptAtRest(platform, ticket) };
}

export function createComponentTokens(
  deps: ComponentTokensDeps,
  options: ManagedTokensOptions = {},
): Tokens<Account> {
  const { api, secrets: kept, clock } = deps;
  const pauseMs = () => deps.lifetimes.scale(REFRESH_PAUSE_MS);
  const platformTokens = createManagedTokens<Platform>(
    { ...deps, requestToken: askPlatformToken, pauseMs },
    options,
  );

  async function askPlatformToken(platform: Platform, signal: AbortSignal): Promise<IssuedToken> {
    const sealed = await kept?.read(ticketName(platform.account));
    const ticket = sealed === undefined ? undefined : decryptAtRest(platform, sealed);
    if (ticket === undefined) throw new FailureError({ code: 'component_ticket_missing', class: 'account' });
    const asked = api.call(
      {
        product: 'official',
        endpoint: 'token',
        path: COMPONENT_TOKEN,
        body: {
          component_appid: platform.account,
          component_appsecret: platform.secret,
          component_verify_ticket: ticket,
        },
        secrets: [platform.secret, ticket],
      },
      signal,
    );
    const answer = await asked.catch((error) => {
      // A ticket that WeChat refuses is no token to be replaced: the account waits for the next ticket.
      throw error instanceof FailureError && error.failure.class === 'token' ? asAccount(error) : error;
    });
    return readIssuedToken(answer, 'component_access_token', COMPONENT_TOKEN);
  }

  /** A call with the platform's token, which is replaced once where WeChat refuses it. */
  async function callAs(platform: Platform, path: string, body: object, signal: AbortSignal, again = true) {
    const token: AccessToken = await platformTokens.get(platform, signal);
    try {
      const answer = await api.call(
        {
          product: 'official',
          endpoint: 'any',
          path,
          query: { component_access_token: token.value },
          body: { component_appid: platform.account, ...body },
          secrets: [platform.secret, token.value],
        },
        signal,
      );
      platformTokens.reportAccepted(platform);
      return answer;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token') throw error;
      const { retryAfterMs } = await platformTokens.reportRefused(platform, token, signal);
      if (retryAfterMs === 0 && again) return await callAs(platform, path, body, signal, false);
      // Not a token of this account's: replacing that one would not help, the account waits.
      throw asAccount(error);
    }
  }

  /** The refresh token as the platform has it now; it also serves where none was configured. */
  async function askRefreshToken(account: Account, platform: Platform, signal: AbortSignal) {
    const body = { authorizer_appid: account.appId };
    const info = (await callAs(platform, AUTHORIZER_INFO, body, signal)).authorization_info;
    const token = (info as { authorizer_refresh_token?: unknown } | undefined)?.authorizer_refresh_token;
    if (isToken(token)) return token;
    throw new FailureError({ code: 'component_unauthorized', class: 'account', detail: AUTHORIZER_INFO });
  }

  async function askAccountToken(account: Account, signal: AbortSignal): Promise<IssuedToken> {
    const platform = platformOf(account);
    const name = refreshName(platform.account, account.account);
    const sealed = await kept?.read(name);
    const keptToken = sealed === undefined ? undefined : decryptAtRest(account, sealed);
    const configured =
      account.tokenSource?.type === 'component' ? account.tokenSource.refreshToken : undefined;
    const refreshToken = keptToken ?? configured ?? (await askRefreshToken(account, platform, signal));
    const exchange = async (authorizer_refresh_token: string) => {
      const body = { authorizer_appid: account.appId, authorizer_refresh_token };
      const answer = await callAs(platform, AUTHORIZER_TOKEN, body, signal);
      const next = answer.authorizer_refresh_token;
      const latest = isToken(next) ? next : authorizer_refresh_token;
      if (latest !== keptToken) await kept?.write(name, encryptAtRest(account, latest), clock.now());
      return readIssuedToken(answer, 'authorizer_access_token', AUTHORIZER_TOKEN);
    };
    try {
      return await exchange(refreshToken);
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.errcode !== REFRESH_TOKEN_CHANGED) throw error;
      // Whoever authorised again elsewhere has changed it.
      const changed = await askRefreshToken(account, platform, signal);
      if (changed === refreshToken) throw error;
      return await exchange(changed);
    }
  }

  return createManagedTokens<Account>(
    { ...deps, requestToken: askAccountToken, pauseMs },
    { leaseMs: LEASE_MS, ...options },
  );
}

const asAccount = ({ failure }: FailureError) => new FailureError({ ...failure, class: 'account' });

function platformOf(account: Account): Platform {
  const { tokenSource, secret } = account;
  return { account: tokenSource?.type === 'component' ? tokenSource.componentAppId : account.appId, secret };
}
