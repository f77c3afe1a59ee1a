/** /queues: Bull Board, to look at and not to touch. Admin only: jobs hold openIds and media ids. */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { App, ServerDeps } from '../deps.ts';
import { Problem, sendProblem } from '../problem.ts';

const PATH = '/queues';
/** Its page has inline styles and animates by script-set ones; its scripts are files. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'self'";
/** It asks Google for fonts, which hangs the page where Google cannot be reached; its style names fallbacks. */
const FOREIGN_LINK = /<link[^>]+href="https?:[^>]*>/g;

const TROUBLE = {
  error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' },
  message: 'the queue does not answer',
};

/** Bull Board would wait for a queue that is away as long as the queue does: for ever. */
const ANSWER_MS = 2_000;

type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0];

export function queueRoutes(deps: Pick<ServerDeps, 'queue'>) {
  return async (app: App): Promise<void> => {
    const adapterOf = (queue: unknown) => new BullMQAdapter(queue as BoardQueue, { readOnlyMode: true });
    let shown = deps.queue.board;
    const server = new FastifyAdapter();
    server.setBasePath(PATH);
    const board = createBullBoard({
      queues: [adapterOf(shown)],
      serverAdapter: server,
      options: { uiConfig: { boardTitle: 'Archive queue', hideRedisDetails: true } },
    });
    app.addHook('onRoute', (route) => {
      route.config = { ...route.config, scope: 'admin' };
    });
    app.addHook('onRequest', async (request, reply) => {
      reply.header('content-security-policy', CSP);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return sendProblem(request, reply, new Problem('method_not_allowed', { detail: 'look only' }));
      }
      if (request.url.startsWith(`${PATH}/api/`)) {
        const isThere = await deps.queue.counts(AbortSignal.timeout(ANSWER_MS)).then(
          () => true,
          () => false,
        );
        if (!isThere) return reply.code(503).send(TROUBLE);
      }
      // After an outage at start the queue is another object.
      if (deps.queue.board !== shown) {
        shown = deps.queue.board;
        board.replaceQueues([adapterOf(shown)]);
      }
      return undefined;
    });
    app.addHook('onSend', async (_request, reply, payload) => {
      // It would answer with the error's own words and stack.
      if (reply.statusCode >= 500) return JSON.stringify(TROUBLE);
      const isPage = String(reply.getHeader('content-type')).startsWith('text/html');
      return isPage && typeof payload === 'string' ? payload.replaceAll(FOREIGN_LINK, '') : payload;
    });
    await app.register(server.registerPlugin() as never, { prefix: PATH });
  };
}
