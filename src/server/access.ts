/** Who may do what: API keys as bearer tokens, and the session cookie a browser gets at /login. */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { type ApiKey, SCOPES, type Scope } from '../api-keys.ts';
import type { Clock } from '../clock.ts';
import { Problem } from './problem.ts';
import { isForeign } from './same-origin.ts';

export interface Principal {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Only these accounts; absent: all. */
  readonly accounts?: readonly string[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whoever asks; of open routes nobody. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** What a route wants. A route without a scope wants admin. */
    scope?: Scope | 'open';
    /** The route itself keeps to the accounts of the key. Without it a key that is bound to accounts is refused. */
    narrowed?: true;
  }
}

export interface Access {
  /** Throws Problem unauthorized or forbidden. */
  authorize(request: FastifyRequest, wants: { scope: Scope; narrowed?: true | undefined }): Principal;
  /** A link's secret, good once within a quarter of an hour. */
  createLoginTicket(): string;
  /** The value of a session cookie for a ticket; undefined where the ticket is spent, old or wrong. */
  redeem(ticket: string): string | undefined;
  /** The value of a session cookie with the scopes and accounts of the key; undefined where there is no such key. */
  signIn(secret: string): string | undefined;
}

export const SESSION_COOKIE = 'wma_session';
export const SESSION_MS = 12 * 3_600_000;
const TICKET_MS = 15 * 60_000;
const OPERATOR: Principal = { name: 'login link', scopes: SCOPES };
/** No configured key has this name: names are letters, digits, dots, _ and -. */
const OPERATOR_NAME = '*';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

const sameText = (a: string, b: string): boolean => {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
};

/** Each scope includes the ones before it. */
export function reaches(scopes: readonly Scope[], wanted: Scope): boolean {
  return scopes.some((scope) => SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted));
}

export function createAccess(
  keys: readonly ApiKey[],
  options: { clock: Pick<Clock, 'now'>; publicUrl?: string | undefined },
): Access {
  const { clock } = options;
  const tickets = new Map<string, number>();
  // Derived from the keys, so that every server process accepts every other's cookies and a changed key ends them.
  const sessionKey = Buffer.from(
    hkdfSync('sha256', keys.map((key) => key.secret).join('\0'), 'wma', 'session cookie', 32),
  );
  const sign = (text: string) => createHmac('sha256', sessionKey).update(text).digest('base64url');

  function createSession(name: string): string {
    const until = (clock.now().getTime() + SESSION_MS).toString(36);
    const session = `${until}~${Buffer.from(name).toString('base64url')}`;
    return `${session}~${sign(session)}`;
  }

  function fromCookie(value: string): Principal | undefined {
    const [until = '', encodedName = '', signature = ''] = value.split('~');
    if (!sameText(sign(`${until}~${encodedName}`), signature)) return undefined;
    if (!(Number.parseInt(until, 36) > clock.now().getTime())) return undefined;
    const name = Buffer.from(encodedName, 'base64url').toString();
    return name === OPERATOR_NAME ? OPERATOR : keys.find((key) => key.name === name);
  }

  // Every key is compared, so that the time taken says nothing of which one was near.
  const keyOf = (secret: string): ApiKey | undefined =>
    keys.filter((key) => sameText(key.secret, secret)).at(0);

  function identify(request: FastifyRequest): Principal | undefined {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const secret = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(authorization)?.[1];
      return secret === undefined ? undefined : keyOf(secret);
    }
    const cookie = (request.cookies as Record<string, string | undefined>)[SESSION_COOKIE];
    const principal = cookie === undefined ? undefined : fromCookie(cookie);
    // SameSite does not tell ports apart: a page on another port of this host sends the cookie along.
    if (principal && !SAFE_METHODS.has(request.method) && isForeign(request, options.publicUrl)) {
      throw new Problem('forbidden', { detail: 'the request comes from a page of another origin' });
    }
    return principal;
  }

  return {
    authorize: (request, { scope, narrowed }) => {
      const principal = identify(request);
      if (!principal) throw new Problem('unauthorized');
      if (!reaches(principal.scopes, scope))
        throw new Problem('forbidden', { detail: `needs scope ${scope}` });
      if (principal.accounts && !narrowed)
        throw new Problem('forbidden', { detail: 'needs a key for all accounts' });
      return principal;
    },
    createLoginTicket: () => {
      const ticket = randomBytes(24).toString('base64url');
      tickets.set(ticket, clock.now().getTime() + TICKET_MS);
      return ticket;
    },
    redeem: (ticket) => {
      const until = tickets.get(ticket);
      tickets.delete(ticket);
      if (until === undefined || until < clock.now().getTime()) return undefined;
      return createSession(OPERATOR_NAME);
    },
    signIn: (secret) => {
      const key = keyOf(secret);
      return key && createSession(key.name);
    },
  };
}

/**
 * The identity of the account that a word names; the word itself where no account has it. Throws Problem forbidden
 * where the principal is bound to other accounts: in the same words whether the account exists or not, and without
 * the identity behind a name.
 */
export function accountInReach(
  principal: Principal,
  accounts: { find(word: string): { readonly account: string } | undefined },
  word: string,
): string {
  const account = accounts.find(word)?.account ?? word;
  if (principal.accounts && !principal.accounts.includes(account))
    throw new Problem('forbidden', { detail: `not for account ${word}` });
  return account;
}
