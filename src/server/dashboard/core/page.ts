/** What a page gets and returns, and how it becomes a response: sign-in, errors and redirects included. */
import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Scope } from '../../../config/api-keys.ts';
import { includesScope, type Principal } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { SIGNED_IN_COOKIE, sendSignInPage } from '../../routes/pages/login.ts';
import { queryOf } from './address.ts';
import { type Api, ApiError, type ApiProblem, apiErrorOf, createApi } from './api.ts';
import type { Html } from './html.ts';
import { type Locale, localeOf } from './locale.ts';
import { type Notice, takeNotice } from './notice.ts';
import type { ScriptName } from './scripts.ts';

/** A page's view of its request. */
export interface PageContext {
  readonly principal: Principal;
  readonly locale: Locale;
  readonly api: Api;
  /** Path and query, as the browser shows them. */
  readonly address: string;
  readonly query: URLSearchParams;
  /** Values of the path, `/media/:id`. */
  readonly params: Readonly<Record<string, string>>;
  /** The fields of a form that was sent; empty for GET. */
  readonly form: URLSearchParams;
  /** Whether the key has the scope. It only decides what is offered; the API checks each request. */
  may(scope: Scope): boolean;
}

export interface PageContent {
  readonly title: string;
  readonly main: Html;
  readonly status?: number;
  /** The entry of the navigation that is marked as the current one. */
  readonly section?: string;
  /** Names of scripts of `browser/` besides main.js. */
  readonly scripts?: readonly ScriptName[];
  /** Whether the page updates itself when something has changed. Default: true. A form being filled in must not. */
  readonly isLive?: boolean;
}

/** After a form: the browser goes to another page, which shows the notice once. */
export interface Redirect {
  readonly redirect: string;
  readonly notice?: Notice;
}

/** A response that is no page, such as a ZIP: the handler has sent it. */
export const SENT = Symbol('sent');

export type PageResult = PageContent | Redirect | typeof SENT;
export type PageHandler = (page: PageContext, reply: FastifyReply) => Promise<PageResult>;

/**
 * Runs the action of a form. If the API refuses it, the result is the page that `show` makes, which says why and keeps
 * what was typed.
 */
export async function orExplain<T>(
  act: () => Promise<T>,
  show: (error: ApiError) => Promise<PageContent>,
): Promise<T | PageContent> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ApiError) return await show(error);
    throw error;
  }
}

/** Makes the document around a page's content. */
export type Layout = (
  page: Pick<PageContext, 'locale' | 'address' | 'may'> & { principal?: Principal },
  content: PageContent,
  notice: Notice | undefined,
) => Promise<Html>;

/** Makes the content that is shown instead of a page. */
export type ErrorContent = (locale: Locale, status: number, problem: ApiProblem) => PageContent;

const isContent = (result: PageResult): result is PageContent =>
  typeof result === 'object' && 'main' in result;

export function createPageSender(
  app: App,
  deps: Pick<RouteDeps, 'access'>,
  layout: Layout,
  errorContent: ErrorContent,
) {
  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    content: PageContent,
    page: Parameters<Layout>[0],
    notice?: Notice,
  ): Promise<FastifyReply> {
    const document = await layout(page, content, notice);
    const etag = `"${hash('sha256', document.text).slice(0, 22)}"`;
    // An open page asks again after each hint of a change; mostly nothing that it shows has changed.
    if (request.headers['if-none-match'] === etag) return reply.code(304).header('etag', etag).send();
    return reply
      .code(content.status ?? 200)
      .header('etag', etag)
      .header('vary', 'Accept-Language, Cookie')
      .type('text/html; charset=utf-8')
      .send(document.text);
  }

  return async (
    request: FastifyRequest,
    reply: FastifyReply,
    { scope, handler }: { scope: Scope; handler: PageHandler },
  ): Promise<FastifyReply> => {
    const locale = localeOf(request);
    const address = request.url;
    const shell = { locale, address, may: (_wanted: Scope) => false };
    let principal: Principal;
    try {
      principal = await deps.access.authorize(request, { scope, accountScoped: true });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // A cookie that was signed with former keys counts as a wrong credential. The form still accepts a valid key.
      const next = request.method === 'GET' ? address : '/';
      if (error.code === 'too_many_requests')
        return sendSignInPage(request, reply, 429, { error: 'wait', next });
      if (error.code === 'unauthorized') {
        const hadSession = SIGNED_IN_COOKIE in request.cookies;
        return sendSignInPage(request, reply, 401, { ...(hadSession ? { error: 'ended' } : {}), next });
      }
      const { status, problem } = apiErrorOf(error, locale.language);
      return send(request, reply, errorContent(locale, status, problem), shell);
    }
    const page: PageContext = {
      principal,
      locale,
      api: createApi(app, request, locale.tag),
      address,
      query: queryOf(address),
      params: (request.params ?? {}) as Record<string, string>,
      form: request.body instanceof URLSearchParams ? request.body : new URLSearchParams(),
      may: (wanted) => includesScope(principal.scopes, wanted),
    };
    try {
      const result = await handler(page, reply);
      if (result === SENT) return reply;
      if (isContent(result)) return send(request, reply, result, page, takeNotice(request, reply));
      if (result.notice) reply.setCookie(...result.notice.cookie);
      return reply.redirect(result.redirect, 303);
    } catch (error) {
      // The session ended between the page and its calls, in another tab.
      if (error instanceof ApiError && error.status === 401)
        return sendSignInPage(request, reply, 401, { error: 'ended', next: address });
      if (error instanceof ApiError)
        return send(request, reply, errorContent(locale, error.status, error.problem), page);
      throw error;
    }
  };
}
