/**
 * Tokens of accounts that authorised a third-party platform. WeChat pushes a ticket every ten minutes. With the ticket
 * the platform requests its own token. With its own token and the account's refresh token it requests the account's
 * token. A new refresh token is stored before the access token that came with it is used: if the refresh token were
 * lost, the account would have to authorise again.
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

/** The store of tickets and refresh tokens. The catalogue implements it; all values are encrypted. */
export interface SecretStore {
  read(name: string): Promise<string | undefined>;
  write(name: string, encrypted: string, now: Date): Promise<void>;
}

interface Platform extends TokenOwner {
  /** The platform's own app id. */
  readonly account: string;
}

export interface ComponentTokensDeps
  extends Pick<ManagedTokensDeps<Account>, 'store' | 'clock' | 'lifetimes' | 'log'> {
  api: Pick<WechatApi, 'call'>;
  /** Without it no tickets and refresh tokens are found. */
  secrets?: SecretStore;
}

const AUTHORIZER_TOKEN = '/cgi-bin/component/api_authorizer_token';
const AUTHORIZER_INFO = '/cgi-bin/component/api_get_authorizer_info';
const COMPONENT_TOKEN = '/cgi-bin/component/api_component_token';
const REFRESH_TOKEN_CHANGED = 61023;
/** A lease covers up to five calls in sequence, and the time after which the request is given up. */
const LEASE_MS = 25_000;

const ticketName = (platform: string) => `component_verify_ticket ${platform}`;
const refreshName = (platform: string, account: string) => `authorizer_refresh_token ${platform} ${account}`;

/**
 * Returns the secret to store for a callback of kind `ticket`. A ticket is valid for twelve hours; only the latest one
 * is used.
 */
export function encryptTicket(account: Account, ticket: string): { name: string; encrypted: string } {
  const platform = platformOf(account);
  return { name: ticketName(platform.account), encrypted: encryptAtRest(platform, ticket) };
}

export function createComponentTokens(
  deps: ComponentTokensDeps,
  options: ManagedTokensOptions = {},
): Tokens<Account> {
  const { api, secrets, clock } = deps;
  const pauseMs = () => deps.lifetimes.scale(REFRESH_PAUSE_MS);
  const platformTokens = createManagedTokens<Platform>(
    { ...deps, requestToken: requestPlatformToken, pauseMs },
    options,
  );

  async function requestPlatformToken(platform: Platform, signal: AbortSignal): Promise<IssuedToken> {
    const encrypted = await secrets?.read(ticketName(platform.account));
    const ticket = encrypted === undefined ? undefined : decryptAtRest(platform, encrypted);
    if (ticket === undefined) throw new FailureError({ code: 'component_ticket_missing', class: 'account' });
    const call = api.call(
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
    const response = await call.catch((error) => {
      // A ticket that WeChat refuses cannot be replaced like a token, so the account is held until the next ticket.
      throw error instanceof FailureError && error.failure.class === 'token' ? asAccount(error) : error;
    });
    return readIssuedToken(response, 'component_access_token', COMPONENT_TOKEN);
  }

  /** Makes a call with the platform's token. If WeChat refuses the token, it is replaced once. */
  async function callAs(
    platform: Platform,
    path: string,
    body: object,
    signal: AbortSignal,
    mayRetry = true,
  ) {
    const token: AccessToken = await platformTokens.get(platform, signal);
    try {
      const response = await api.call(
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
      return response;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token') throw error;
      const { retryAfterMs } = await platformTokens.reportRefused(platform, token, signal);
      if (retryAfterMs === 0 && mayRetry) return await callAs(platform, path, body, signal, false);
      // The platform's token was refused. Replacing the account's token would not help, so the account is held.
      throw asAccount(error);
    }
  }

  /** Requests the current refresh token of an account. Also used when none is configured. */
  async function requestRefreshToken(account: Account, platform: Platform, signal: AbortSignal) {
    const body = { authorizer_appid: account.appId };
    const info = (await callAs(platform, AUTHORIZER_INFO, body, signal)).authorization_info;
    const token = (info as { authorizer_refresh_token?: unknown } | undefined)?.authorizer_refresh_token;
    if (isToken(token)) return token;
    throw new FailureError({ code: 'component_unauthorized', class: 'account', detail: AUTHORIZER_INFO });
  }

  async function requestAccountToken(account: Account, signal: AbortSignal): Promise<IssuedToken> {
    const platform = platformOf(account);
    const name = refreshName(platform.account, account.account);
    const encrypted = await secrets?.read(name);
    const storedToken = encrypted === undefined ? undefined : decryptAtRest(account, encrypted);
    const configured =
      account.tokenSource?.type === 'component' ? account.tokenSource.refreshToken : undefined;
    const refreshToken = storedToken ?? configured ?? (await requestRefreshToken(account, platform, signal));
    const exchange = async (authorizer_refresh_token: string) => {
      const body = { authorizer_appid: account.appId, authorizer_refresh_token };
      const response = await callAs(platform, AUTHORIZER_TOKEN, body, signal);
      const next = response.authorizer_refresh_token;
      const latest = isToken(next) ? next : authorizer_refresh_token;
      if (latest !== storedToken) await secrets?.write(name, encryptAtRest(account, latest), clock.now());
      return readIssuedToken(response, 'authorizer_access_token', AUTHORIZER_TOKEN);
    };
    try {
      return await exchange(refreshToken);
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.errcode !== REFRESH_TOKEN_CHANGED) throw error;
      // The account authorised again in another place, which changed its refresh token.
      const changed = await requestRefreshToken(account, platform, signal);
      if (changed === refreshToken) throw error;
      return await exchange(changed);
    }
  }

  return createManagedTokens<Account>(
    { ...deps, requestToken: requestAccountToken, pauseMs },
    { leaseMs: LEASE_MS, ...options },
  );
}

const asAccount = ({ failure }: FailureError) => new FailureError({ ...failure, class: 'account' });

function platformOf(account: Account): Platform {
  const { tokenSource, secret } = account;
  return { account: tokenSource?.type === 'component' ? tokenSource.componentAppId : account.appId, secret };
}
