/** /login: a session cookie for the one-time link printed at start, or for an API key pasted into the form. */
import { fileURLToPath } from 'node:url';
import statics from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SESSION_COOKIE, SESSION_MS, type SignInResult } from '../../auth/access.ts';
import { isCrossOrigin, isOverTls } from '../../auth/same-origin.ts';
import { type SignInError, signedInPage, signInPage } from '../../auth/sign-in-page.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';

const FORM_BYTES = 4 * 1024;
/** What the door itself is made of, for whoever has no key yet. */
const DOOR = fileURLToPath(new URL('../../dashboard/sign-in/', import.meta.url));

export function sendSignInPage(
  request: FastifyRequest,
  reply: FastifyReply,
  code: 401 | 429,
  trouble?: SignInError,
): FastifyReply {
  return reply
    .code(code)
    .header('vary', 'Accept-Language')
    .type('text/html; charset=utf-8')
    .send(signInPage(languageOf(request), trouble));
}

export function loginRoutes(deps: Pick<RouteDeps, 'access' | 'config'>) {
  const { publicUrl } = deps.config.http;
  const cookieFor = (request: FastifyRequest) =>
    ({ httpOnly: true, sameSite: 'strict', path: '/', secure: isOverTls(request, publicUrl) }) as const;
  /** On with the session, or back to the form with what was wrong. */
  function sendOn(
    request: FastifyRequest,
    reply: FastifyReply,
    signIn: SignInResult,
    { to, trouble }: { to: string; trouble: SignInError },
  ): FastifyReply {
    if ('session' in signIn) {
      const options = { ...cookieFor(request), maxAge: SESSION_MS / 1000 };
      return reply.setCookie(SESSION_COOKIE, signIn.session, options).redirect(to, 303);
    }
    if (signIn.waitSeconds === 0) return sendSignInPage(request, reply, 401, trouble);
    return sendSignInPage(request, reply.header('retry-after', String(signIn.waitSeconds)), 429, 'wait');
  }
  const refuseForeign = (request: FastifyRequest) => {
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
    await app.register(statics, { root: DOOR, prefix: '/login/', index: false, decorateReply: false });

    app.get(
      '/login',
      // HEAD spends no ticket: link previews begin with one.
      {
        exposeHeadRoute: false,
        schema: { querystring: z.object({ ticket: z.string().max(300).optional() }) },
      },
      async (request, reply) => {
        const { ticket } = request.query;
        if (ticket === undefined) {
          return reply.type('text/html; charset=utf-8').send(signedInPage(languageOf(request)));
        }
        const signIn = await deps.access.redeemLoginTicket(request, ticket);
        return sendOn(request, reply, signIn, { to: '/login', trouble: 'spent' });
      },
    );

    app.post(
      '/login',
      { bodyLimit: FORM_BYTES, schema: { body: z.object({ key: z.string().max(512) }) } },
      async (request, reply) => {
        refuseForeign(request);
        const signIn = deps.access.signIn(request, request.body.key.trim());
        return sendOn(request, reply, signIn, { to: '/', trouble: 'wrong' });
      },
    );

    app.post('/logout', async (request, reply) => {
      refuseForeign(request);
      await deps.access.signOut(request);
      return reply.clearCookie(SESSION_COOKIE, cookieFor(request)).redirect('/', 303);
    });
  };
}
