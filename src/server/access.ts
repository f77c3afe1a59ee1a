/** Who may do what: API keys as bearer tokens, and the cookie a browser gets from the one-time link. */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { type ApiKey, SCOPES, type Scope } from '../api-keys.ts';
import type { Clock } from '../clock.ts';
import { Problem } from './problem.ts';

export interface Principal {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Only these accounts; absent: all. */
  readonly accounts?: readonly string[];
}

export interface Access {
  /** Throws Problem unauthorized or forbidden. */
  authorize(request: FastifyRequest, scope: Scope): Principal;
  /** A link's secret, good once within a quarter of an hour. */
  createLoginTicket(): string;
  /** The value of the session cookie for a ticket; undefined where the ticket is spent, old or wrong. */
  redeem(ticket: string): string | undefined;
}

export const SESSION_COOKIE = 'wma_session';
export const SESSION_MS = 12 * 3_600_000;
const TICKET_MS = 15 * 60_000;

const sameText = (a: string, b: string): boolean => {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
};

/** Each scope includes the ones before it. */
export function reaches(scopes: readonly Scope[], wanted: Scope): boolean {
  return scopes.some((scope) => SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted));
}

export function createAccess(keys: readonly ApiKey[], clock: Pick<Clock, 'now'>): Access {
  const tickets = new Map<string, number>();
  // Derived from the keys, so that every server process accepts every other's cookies and a changed key ends them.
  const sessionKey = Buffer.from(
    hkdfSync('sha256', keys.map((key) => key.secret).join('\0'), 'wma', 'session cookie', 32),
  );
  const sign = (text: string) => createHmac('sha256', sessionKey).update(text).digest('base64url');

  function fromCookie(value: string): Principal | undefined {
    const [until = '', signature = ''] = value.split('.');
    if (!sameText(sign(until), signature)) return undefined;
    if (!(Number.parseInt(until, 36) > clock.now().getTime())) return undefined;
    return { name: 'browser', scopes: ['admin'] };
  }

  function fromHeader(header: string): Principal | undefined {
    const secret = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
    if (!secret) return undefined;
    // Every key is compared, so that the time taken says nothing of which one was near.
    return keys.filter((key) => sameText(key.secret, secret)).at(0);
  }

  return {
    authorize: (request, scope) => {
      const { authorization } = request.headers;
      const cookie = (request.cookies as Record<string, string | undefined>)[SESSION_COOKIE];
      const principal = authorization ? fromHeader(authorization) : cookie ? fromCookie(cookie) : undefined;
      if (!principal) throw new Problem('unauthorized');
      if (!reaches(principal.scopes, scope))
        throw new Problem('forbidden', { detail: `needs scope ${scope}` });
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
      const expires = (clock.now().getTime() + SESSION_MS).toString(36);
      return `${expires}.${sign(expires)}`;
    },
  };
}

/** Narrows a list of accounts to those the principal may see; undefined: all. Throws where one is out of reach. */
export function visibleAccounts(
  principal: Principal,
  asked: readonly string[] | undefined,
): readonly string[] | undefined {
  if (!principal.accounts) return asked;
  if (!asked) return principal.accounts;
  const outside = asked.find((account) => !principal.accounts?.includes(account));
  if (outside) throw new Problem('forbidden', { detail: `not for account ${outside}` });
  return asked;
}
