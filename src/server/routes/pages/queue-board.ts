/** /queues: Bull Board, read only. The scope is admin, because jobs contain openIds and media ids. */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { type Language, languageOf, Problem, sendProblem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { problemInQueueBoardUrl } from './queue-board-url.ts';

const PATH = '/queues';
/** Bull Board's page has inline styles and sets styles by script. Its scripts are files. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'self'";
/** The page loads fonts from Google, which blocks it if Google is unreachable. Its styles name fallbacks. */
const EXTERNAL_LINK = /<link[^>]+href="https?:[^>]*>/g;

const UNAVAILABLE = {
  error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' },
  message: 'the queue does not respond',
};

/** The counts of Bull Board can be mistaken for the backlog. A bar at the bottom of the page explains them. */
const NOTICE: Readonly<Record<Language, { text: string; link: string }>> = {
  en: {
    text: 'This is the working set, not the backlog: each account has at most QUEUE_WINDOW jobs here, finished jobs are stored for a short time and up to a limit, and an item appears once for each time it was dispatched.',
    link: 'Backlog and results: the dashboard',
  },
  zh: {
    text: '此处只是工作集，不是积压：每个账号最多有 QUEUE_WINDOW 个任务在此，已完成的任务只短期限量保留，同一素材每派发一次就显示一次。',
    link: '积压与结果请看控制台',
  },
};

function notice(language: Language): string {
  const { text, link } = NOTICE[language];
  const style =
    'position:fixed;left:0;right:0;bottom:0;z-index:9999;margin:0;padding:8px 16px;background:#fff3cd;color:#3d3000;font:14px/1.4 sans-serif';
  return `<p id="wma-notice" lang="${language}" role="note" style="${style}">${text} <a href="/" style="color:#0b4a8f">${link}</a></p>`;
}

/** Bull Board itself waits without a timeout for a queue that does not respond. */
const RESPONSE_MS = 2_000;

type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0];

export function queueBoardRoutes(deps: Pick<RouteDeps, 'queue'>) {
  return async (app: App): Promise<void> => {
    const adapterOf = (queue: unknown) => new BullMQAdapter(queue as BoardQueue, { readOnlyMode: true });
    let current = deps.queue.board;
    const server = new FastifyAdapter();
    server.setBasePath(PATH);
    const board = createBullBoard({
      queues: [adapterOf(current)],
      serverAdapter: server,
      options: { uiConfig: { boardTitle: 'Archive queue', hideRedisDetails: true } },
    });
    app.addHook('onRoute', (route) => {
      route.config = { ...route.config, scope: 'admin' };
    });
    app.addHook('onRequest', async (request, reply) => {
      reply.header('content-security-policy', CSP);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return sendProblem(
          request,
          reply,
          new Problem('method_not_allowed', { detail: 'the board is read only' }),
        );
      }
      if (request.url.startsWith(`${PATH}/api/`)) {
        const detail = problemInQueueBoardUrl(request.url);
        if (detail) return sendProblem(request, reply, new Problem('invalid_request', { detail }));
        const isAvailable = await deps.queue.counts(AbortSignal.timeout(RESPONSE_MS)).then(
          () => true,
          () => false,
        );
        if (!isAvailable) return reply.code(503).send(UNAVAILABLE);
      }
      // A queue that was unavailable at start is replaced by another object.
      if (deps.queue.board !== current) {
        current = deps.queue.board;
        board.replaceQueues([adapterOf(current)]);
      }
      return undefined;
    });
    app.addHook('onSend', async (request, reply, payload) => {
      // Bull Board would send the message and the stack of the error.
      if (reply.statusCode >= 500) return JSON.stringify(UNAVAILABLE);
      const isPage = String(reply.getHeader('content-type')).startsWith('text/html');
      if (!isPage || typeof payload !== 'string') return payload;
      return payload
        .replaceAll(EXTERNAL_LINK, '')
        .replace('</body>', `${notice(languageOf(request))}</body>`);
    });
    await app.register(server.registerPlugin() as never, { prefix: PATH });
  };
}
