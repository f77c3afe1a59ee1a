/**
 * /login and /logout. A browser gets a session cookie for a one-time login link, or for an API key pasted into the
 * form.
 */
import { fileURLToPath } from 'node:url';
import statics from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { withTimeout } from '../../../runtime/timeout.ts';
import { type Principal, SESSION_COOKIE, SESSION_MS, type SignInResult } from '../../auth/access.ts';
import { pageAddress } from '../../auth/page-address.ts';
import { isCrossOrigin, isOverTls } from '../../auth/same-origin.ts';
import { type SignInError, type SignInOptions, signedInPage, signInPage } from '../../auth/sign-in-page.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';

const FORM_BYTES = 8 * 1024;
/** A longer or foreign address leads to `/`; see pageAddress. */
const nextAddress = z.string().max(4_000).optional();
/** The files of the sign-in page, served without a key. */
const SIGN_IN_FILES = fileURLToPath(new URL('../../dashboard/sign-in/', import.meta.url));

export function sendSignInPage(
  request: FastifyRequest,
  reply: FastifyReply,
  code: 401 | 429,
  options: SignInOptions = {},
): FastifyReply {
  return reply
    .code(code)
    .header('vary', 'Accept-Language')
    .type('text/html; charset=utf-8')
    .send(signInPage(languageOf(request), { ...options, next: pageAddress(options.next) }));
}

/** Tells the sign-in page that a session has ended: browsers drop the session's own cookie at its end. */
export const SIGNED_IN_COOKIE = 'wma_signed_in';
const SIGNED_IN_SECONDS = 30 * 86_400;

/** The time to write that someone signed in. */
const AUDIT_TIMEOUT_MS = 2_000;

export function loginRoutes(
  deps: Pick<RouteDeps, 'access' | 'catalogue' | 'clock' | 'config' | 'ingest' | 'log'>,
) {
  const { publicUrl } = deps.config.http;

  /** An operator must be able to sign in while the database is unavailable: then a log line has to do. */
  async function auditLogin({ name, accounts }: Principal, by: 'link' | 'key'): Promise<void> {
    const at = deps.clock.now();
    const entry = { at, actor: name, action: 'login', target: 'session', accounts, detail: { by } } as const;
    try {
      if (deps.ingest.state.isDatabaseDown) throw new Error('the database is unavailable');
      await withTimeout(deps.catalogue.auditLog.write(entry), AUDIT_TIMEOUT_MS, 'audit log');
    } catch (err) {
      deps.log.warn({ err, by: name }, 'audit log: sign-in not written');
    }
  }

  const cookieFor = (request: FastifyRequest) =>
    ({ httpOnly: true, sameSite: 'strict', path: '/', secure: isOverTls(request, publicUrl) }) as const;
  /** Redirects with the session cookie, or sends the form again with the error. */
  async function sendResult(
    request: FastifyRequest,
    reply: FastifyReply,
    signIn: SignInResult,
    { to, error, next, by }: { to: string; error: SignInError; next?: string; by: 'link' | 'key' },
  ): Promise<FastifyReply> {
    if ('session' in signIn) {
      await auditLogin(signIn.principal, by);
      const options = { ...cookieFor(request), maxAge: SESSION_MS / 1000 };
      return reply
        .setCookie(SESSION_COOKIE, signIn.session, options)
        .setCookie(SIGNED_IN_COOKIE, '1', { ...options, maxAge: SIGNED_IN_SECONDS })
        .redirect(to, 303);
    }
    const target = next === undefined ? {} : { next };
    if (signIn.waitSeconds === 0) return sendSignInPage(request, reply, 401, { error, ...target });
    reply.header('retry-after', String(signIn.waitSeconds));
    return sendSignInPage(request, reply, 429, { error: 'wait', ...target });
  }
  const rejectCrossOrigin = (request: FastifyRequest) => {
    if (isCrossOrigin(request, publicUrl))
      throw new Problem('forbidden', { detail: 'the form is on a page of another origin' });
  };

  return async (app: App): Promise<void> => {
    app.addHook('onRoute', (route) => {
      route.config = { ...route.config, scope: 'open' };
      route.schema = { ...route.schema, hide: true };
    });
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_BYTES },
      (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body as string))),
    );
    await app.register(statics, {
      root: SIGN_IN_FILES,
      prefix: '/login/',
      index: false,
      decorateReply: false,
    });

    app.get(
      '/login',
      // Without a HEAD route: link previews send HEAD, which would use up the ticket.
      {
        exposeHeadRoute: false,
        schema: { querystring: z.object({ ticket: z.string().max(300).optional(), next: nextAddress }) },
      },
      async (request, reply) => {
        const { ticket } = request.query;
        const next = pageAddress(request.query.next);
        if (ticket === undefined) {
          return reply.type('text/html; charset=utf-8').send(signedInPage(languageOf(request), next));
        }
        const signIn = await deps.access.redeemLoginTicket(request, ticket);
        const to = next === '/' ? '/login' : `/login?${new URLSearchParams({ next })}`;
        return sendResult(request, reply, signIn, { to, error: 'spent', next, by: 'link' });
      },
    );

    app.post(
      '/login',
      {
        bodyLimit: FORM_BYTES,
        schema: { body: z.object({ key: z.string().max(512), next: nextAddress }) },
      },
      async (request, reply) => {
        rejectCrossOrigin(request);
        const next = pageAddress(request.body.next);
        const signIn = deps.access.signIn(request, request.body.key.trim());
        return sendResult(request, reply, signIn, { to: next, error: 'wrong', next, by: 'key' });
      },
    );

    app.post('/logout', async (request, reply) => {
      rejectCrossOrigin(request);
      await deps.access.signOut(request);
      return reply
        .clearCookie(SESSION_COOKIE, cookieFor(request))
        .clearCookie(SIGNED_IN_COOKIE, cookieFor(request))
        .redirect('/', 303);
    });
  };
}
