/**
 * The dashboard: pages rendered on the server, which work without scripts, and the files that browsers load for them.
 * Each page is a function from its request to its content; core/page.ts does the rest.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import statics from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pageAddress } from '../auth/page-address.ts';
import { isCrossOrigin, isOverTls } from '../auth/same-origin.ts';
import { Problem } from '../problem.ts';
import type { App, RouteDeps } from '../route-deps.ts';
import { findingsJson } from '../views/finding.ts';
import { type ChangeStreamDeps, changeStreamRoutes } from './changes.ts';
import { errorContent, layout } from './components/layout.ts';
import { isStateKnown, stateLine } from './components/state-line.ts';
import { addressOf } from './core/address.ts';
import { isKnownTimeZone, LANGUAGE_COOKIE, TIME_ZONE_COOKIE } from './core/locale.ts';
import { notice } from './core/notice.ts';
import { createPageSender, type Layout } from './core/page.ts';
import type { PageRoute } from './core/route.ts';
import { SCRIPTS } from './core/scripts.ts';
import { actPages } from './pages/acts/routes.ts';
import { mediaPages } from './pages/media/routes.ts';
import { operationPages } from './pages/operations/routes.ts';
import { overviewPage } from './pages/overview/overview.ts';
import { webhookPages } from './pages/webhooks/routes.ts';
import { SHELL } from './texts/shell.ts';

const FORM_BYTES = 64 * 1024;
const YEAR_SECONDS = 365 * 86_400;
const FOLDERS = {
  browser: new URL('.', SCRIPTS.main),
  styles: new URL('./styles/', import.meta.url),
} as const;

/** Scripts of others that browsers load from this server, by the names under which they are served. */
const VENDOR_SCRIPTS = {
  'idiomorph.js': 'idiomorph/dist/idiomorph.esm.js',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
} as const;

const PAGES: readonly PageRoute[] = [
  { method: 'GET', path: '/', handler: overviewPage },
  ...mediaPages,
  ...actPages,
  ...operationPages,
  ...webhookPages,
];

type DashboardDeps = ChangeStreamDeps & Pick<RouteDeps, 'accounts' | 'config'>;

function createLayout(deps: DashboardDeps): Layout {
  return async (page, content, shown) => {
    const { locale, principal } = page;
    const run = await deps.runChecks(principal?.accounts);
    // Without a session only what /readyz shows to every client: that the catalogue is unavailable.
    const visible = principal ? run : { found: run.found.filter(({ code }) => code === 'catalogue_away') };
    const viewer = { language: locale.language, accounts: principal ? principal.accounts : [] };
    const findings = findingsJson('page', visible, viewer, deps.accounts);
    const state = stateLine(locale, findings, principal !== undefined && isStateKnown(run));
    const sentence = shown && locale.of(SHELL).notices[shown.code]?.(shown.value);
    return layout({ ...page, state, notice: sentence }, content);
  };
}

export function dashboardRoutes(deps: DashboardDeps) {
  return async (app: App): Promise<void> => {
    app.addHook('onRoute', (route) => {
      route.schema = { ...route.schema, hide: true };
    });
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_BYTES },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    );
    const sendPage = createPageSender(app, deps, createLayout(deps), errorContent);
    for (const { method, path, scope = 'read', handler } of PAGES) {
      app.route({
        method,
        url: path,
        // The handler authorizes: without a session it sends the sign-in page.
        config: { scope: 'open' },
        handler: (request, reply) => sendPage(request, reply, { scope, handler }),
      });
    }
    app.post('/preferences', { config: { scope: 'open' } }, async (request, reply) =>
      savePreferences(request, reply, deps.config.http.publicUrl),
    );
    await app.register(changeStreamRoutes(deps));
    await app.register(addFiles);
  };
}

/** Keeps language and time zone in cookies. A time zone that is unknown leads back to its field. */
function savePreferences(
  request: FastifyRequest,
  reply: FastifyReply,
  publicUrl: string | undefined,
): FastifyReply {
  if (isCrossOrigin(request, publicUrl))
    throw new Problem('forbidden', { detail: 'the form is on a page of another origin' });
  const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
  const options = {
    httpOnly: true,
    sameSite: 'strict',
    path: '/',
    maxAge: YEAR_SECONDS,
    secure: isOverTls(request, publicUrl),
  } as const;
  const language = form.get('language');
  if (language === 'en' || language === 'zh') reply.setCookie(LANGUAGE_COOKIE, language, options);
  const typedZone = form.get('otherTimeZone')?.trim() ?? '';
  const timeZone = typedZone === '' ? form.get('timeZone') : typedZone;
  if (timeZone !== null) {
    if (!isKnownTimeZone(timeZone))
      return reply.redirect(`${addressOf('/settings', { unknownZone: timeZone })}#preferences`, 303);
    reply.setCookie(TIME_ZONE_COOKIE, timeZone, options).setCookie(...notice('saved').cookie);
  }
  return reply.redirect(pageAddress(form.get('next') ?? undefined), 303);
}

/** Styles and scripts. They hold no data, but a server need not show strangers which version it runs. */
async function addFiles(app: App): Promise<void> {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, scope: 'read', accountScoped: true };
  });
  for (const [name, folder] of Object.entries(FOLDERS))
    await app.register(statics, {
      root: fileURLToPath(folder),
      prefix: `/dashboard/${name}/`,
      index: false,
      decorateReply: false,
    });
  for (const [name, file] of Object.entries(VENDOR_SCRIPTS)) {
    const content = await readFile(fileURLToPath(import.meta.resolve(file)));
    const type = name.endsWith('.css') ? 'text/css' : 'text/javascript';
    app.get(`/dashboard/vendor/${name}`, (_request, reply) =>
      reply.type(`${type}; charset=utf-8`).header('cache-control', 'private, max-age=3600').send(content),
    );
  }
}
