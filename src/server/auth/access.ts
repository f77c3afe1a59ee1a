/** Authorizes requests by an API key as bearer token, or by the session cookie that a browser gets at /login. */
import type { FastifyRequest } from 'fastify';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type ApiKey, SCOPES, type Scope } from '../../config/api-keys.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Problem } from '../problem.ts';
import { clientAddressOf } from './client-address.ts';
import { type Credential, createCredentials, isSameText } from './credentials.ts';
import { createLoginRateLimit } from './login-rate-limit.ts';
import { isCrossOrigin } from './same-origin.ts';

export interface Principal {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The accounts that the principal may see; absent: all. */
  readonly accounts?: readonly string[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The principal that sends the request; not set on open routes. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** The scope that a route requires. Default: admin. */
    scope?: Scope | 'open';
    /**
     * Whether the route returns only data of the key's accounts. Other routes refuse keys that are bound to accounts.
     */
    accountScoped?: true;
  }
}

/** A session, or the number of seconds for which failures from this address get 429 (0: not yet). */
export type SignInResult =
  | { readonly session: string; readonly principal: Principal }
  | { readonly waitSeconds: number };

export interface Access {
  /** Throws Problem unauthorized, forbidden or too_many_requests; database_away if a session cannot be checked. */
  authorize(
    request: FastifyRequest,
    required: { scope: Scope; accountScoped?: true | undefined },
  ): Promise<Principal>;
  /**
   * Returns the secret of a login link with the rights of the principal (default: all). It works once, for 15 minutes.
   */
  createLoginTicket(principal?: Principal): { ticket: string; expiresAt: Date };
  /**
   * Resolves with a session for the secret of a login link; without one if the secret was used, has expired or is
   * wrong.
   */
  redeemLoginTicket(request: FastifyRequest, ticket: string): Promise<SignInResult>;
  /** Returns a session with the scopes and accounts of an API key; none for an unknown key. */
  signIn(request: FastifyRequest, secret: string): SignInResult;
  /** Ends the session of the request's cookie: no server process accepts the cookie or a copy of it any more. */
  signOut(request: FastifyRequest): Promise<void>;
}

export const SESSION_COOKIE = 'wma_session';
export const SESSION_MS = 12 * 3_600_000;
export const TICKET_MS = 15 * 60_000;
const OPERATOR: Principal = { name: 'login link', scopes: SCOPES };
/** Cannot be the name of a configured key, because such names consist of letters, digits, dots, _ and -. */
const OPERATOR_NAME = '*';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Each scope includes the ones before it. */
export function includesScope(scopes: readonly Scope[], wanted: Scope): boolean {
  return scopes.some((scope) => SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted));
}

export function createAccess(
  keys: readonly ApiKey[],
  options: {
    clock: Pick<Clock, 'now'>;
    revocations: Pick<Catalogue['revocations'], 'add' | 'has'>;
    publicUrl?: string | undefined;
    /** Whether the database is known to be down. Then no query is sent, because it would wait for a connection. */
    isDatabaseDown?: () => boolean;
  },
): Access {
  const { clock, revocations, isDatabaseDown = () => false } = options;
  const credentials = createCredentials(keys.map((key) => key.secret));
  const rateLimit = createLoginRateLimit(clock);
  const hasExpired = ({ expiresAt }: Credential) => !(expiresAt > clock.now());
  const later = (ms: number) => new Date(clock.now().getTime() + ms);
  const principalOf = (name: string): Principal | undefined =>
    name === OPERATOR_NAME ? OPERATOR : keys.find((key) => key.name === name);
  const signedIn = (name: string, principal: Principal): SignInResult => ({
    session: credentials.issue('session', name, later(SESSION_MS)),
    principal,
  });

  // Compares with every key, so that the time taken does not depend on the key.
  const keyOf = (secret: string): ApiKey | undefined =>
    keys.filter((key) => isSameText(key.secret, secret)).at(0);

  const cookieOf = (request: FastifyRequest) =>
    (request.cookies as Record<string, string | undefined> | undefined)?.[SESSION_COOKIE];

  /** Counts a wrong credential and throws. A valid credential is accepted after any number of wrong ones. */
  function rejectCredential(request: FastifyRequest): never {
    const waitSeconds = rateLimit.countFailure(clientAddressOf(request));
    throw waitSeconds > 0
      ? new Problem('too_many_requests', { retryAfterSeconds: waitSeconds })
      : new Problem('unauthorized');
  }

  async function fromCookie(request: FastifyRequest, cookie: string): Promise<Principal> {
    const session = credentials.read('session', cookie);
    if (!session) return rejectCredential(request);
    if (hasExpired(session)) throw new Problem('unauthorized');
    const principal = principalOf(session.name);
    if (!principal) throw new Problem('unauthorized');
    // SameSite ignores the port: a page on another port of this host sends the cookie too.
    if (!SAFE_METHODS.has(request.method) && isCrossOrigin(request, options.publicUrl))
      throw new Problem('forbidden', { detail: 'the request comes from a page of another origin' });
    if (isDatabaseDown()) throw new Problem('database_away', { retryAfterSeconds: 5 });
    if (await revocations.has(session.digest)) throw new Problem('unauthorized');
    return principal;
  }

  async function identify(request: FastifyRequest): Promise<Principal> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const secret = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(authorization)?.[1];
      return (secret === undefined ? undefined : keyOf(secret)) ?? rejectCredential(request);
    }
    const cookie = cookieOf(request);
    if (cookie === undefined) throw new Problem('unauthorized');
    return fromCookie(request, cookie);
  }

  return {
    authorize: async (request, { scope, accountScoped }) => {
      const principal = await identify(request);
      if (!includesScope(principal.scopes, scope))
        throw new Problem('forbidden', { detail: `requires the scope ${scope}` });
      if (principal.accounts && !accountScoped)
        throw new Problem('forbidden', { detail: 'requires a key for all accounts' });
      return principal;
    },
    createLoginTicket: (principal = OPERATOR) => {
      const name = principal === OPERATOR ? OPERATOR_NAME : principal.name;
      const expiresAt = later(TICKET_MS);
      return { ticket: credentials.issue('login link', name, expiresAt), expiresAt };
    },
    redeemLoginTicket: async (request, ticket) => {
      const link = credentials.read('login link', ticket);
      const principal = link && principalOf(link.name);
      if (!principal) return { waitSeconds: rateLimit.countFailure(clientAddressOf(request)) };
      if (hasExpired(link) || !(await revocations.add(link.digest, link.expiresAt, clock.now())))
        return { waitSeconds: 0 };
      return signedIn(link.name, principal);
    },
    signIn: (request, secret) => {
      const key = keyOf(secret);
      if (!key) return { waitSeconds: rateLimit.countFailure(clientAddressOf(request)) };
      return signedIn(key.name, key);
    },
    signOut: async (request) => {
      const session = credentials.read('session', cookieOf(request) ?? '');
      if (session && !hasExpired(session))
        await revocations.add(session.digest, session.expiresAt, clock.now());
    },
  };
}

/**
 * Returns the id of the account with this id or name; the text itself if no account has it. Throws Problem `forbidden`
 * if the principal is bound to other accounts. The text of the problem is the same whether the account exists or not,
 * and does not contain the id that belongs to a name.
 */
export function resolveAccount(
  principal: Principal,
  accounts: { find(nameOrId: string): { readonly account: string } | undefined },
  nameOrId: string,
): string {
  const account = accounts.find(nameOrId)?.account ?? nameOrId;
  if (principal.accounts && !principal.accounts.includes(account))
    throw new Problem('forbidden', { detail: `not for account ${nameOrId}` });
  return account;
}
