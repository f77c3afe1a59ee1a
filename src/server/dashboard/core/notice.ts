/**
 * A notice says once what a form has done, on the page to which the form leads. It travels in a cookie and not in the
 * address, so that a link from another page cannot make the dashboard claim something.
 */
import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

const COOKIE = 'wma_notice';
const OPTIONS: CookieSerializeOptions = { httpOnly: true, sameSite: 'strict', path: '/' };
const VALUE_LIMIT = 200;

export interface Notice {
  /** A key of the texts of the layout. */
  readonly code: string;
  /** A number, an account or an id in its sentence. */
  readonly value: string;
  readonly cookie: readonly [name: string, value: string, options: CookieSerializeOptions];
}

export function notice(code: string, value: string | number = ''): Notice {
  const text = String(value).slice(0, VALUE_LIMIT);
  return { code, value: text, cookie: [COOKIE, `${code}:${text}`, { ...OPTIONS, maxAge: 60 }] };
}

/** Returns the notice of the request, and makes the browser forget it. */
export function takeNotice(request: FastifyRequest, reply: FastifyReply): Notice | undefined {
  const text = request.cookies[COOKIE];
  if (text === undefined) return undefined;
  // A live update of another tab must not take the notice away before its page has shown it.
  if (request.headers['x-dashboard-update'] !== undefined) return undefined;
  reply.clearCookie(COOKIE, OPTIONS);
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : notice(text.slice(0, colon), text.slice(colon + 1));
}
