/** The simulated WeChat on real sockets, on 127.0.0.1 alone. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { ADMIN_ROUTES } from './admin-routes.ts';
import type { PublicUrls } from './api/links.ts';
import { listenLocally } from './http/listen.ts';
import { parseObject, readBody } from './http/requests.ts';
import { sendText } from './http/responses.ts';
import {
  createSimulatedWechat,
  type SimulatedWechat,
  type SimulatedWechatOptions,
} from './simulated-wechat.ts';

export interface SimulatorOptions extends SimulatedWechatOptions {
  /** Default 0: any free port. Media ids outlive a restart; picture and video links only if the port is the same. */
  readonly port?: number;
  /** Addresses to write into links in place of the simulator's own; see links.ts. */
  readonly publicUrls?: Partial<PublicUrls>;
}

export interface Simulator extends SimulatedWechat {
  /** `http://127.0.0.1:{port}`: the value for WECHAT_API_BASE_URL; WeCom is at the same address. */
  readonly url: string;
  /** `127.0.0.1:{port}`: the value for FETCH_ALLOW_HOSTS, for video and picture links. */
  readonly host: string;
  /** `127.0.0.1:{port}` of a host that is not WeChat's: a request there is counted as `foreignHostRequests`. */
  readonly foreignHost: string;
  close(): Promise<void>;
}

const ADMIN_PREFIX = '/__simulator/';

/** Listens; rejects with a message for people where the port is taken. */
export async function openSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { log } = options;
  let publicUrls: PublicUrls;
  const { wechat, handle, handleForeign } = createSimulatedWechat(options, () => publicUrls);
  const closing = new AbortController();

  async function handleAdmin(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const json = (body: unknown, status = 200) =>
      sendText(response, JSON.stringify(body), 'application/json', status);
    const route = ADMIN_ROUTES[`${request.method} ${url.pathname.slice(ADMIN_PREFIX.length)}`];
    if (!route) return json({ error: 'no such route', routes: Object.keys(ADMIN_ROUTES) }, 404);
    const body = parseObject((await readBody(request)) || '{}');
    if (!body) return json({ error: 'the body must be a JSON object of at most 16 kB' }, 400);
    const input = { ...Object.fromEntries(url.searchParams), ...body };
    const { parameters } = route;
    try {
      const result = await route.handle(input, { simulator: wechat, log, signal: closing.signal });
      json(result ?? { error: 'not found' }, result === undefined ? 404 : 200);
    } catch (error) {
      if (error instanceof z.ZodError) json({ error: z.prettifyError(error), parameters }, 400);
      else if (error instanceof RangeError) json({ error: error.message, parameters }, 400);
      else throw error;
    }
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://simulator.invalid');
    if (url.pathname.startsWith(ADMIN_PREFIX)) await handleAdmin(url, request, response);
    else await handle(url, request, response);
  }

  const running = new Set<Promise<void>>();
  const listener = await listenLocally((request, response) => {
    const responded = respond(request, response)
      .catch((error: unknown) => {
        log.error({ err: error, path: request.url?.split('?')[0] }, 'simulator: request failed');
        if (response.headersSent) response.destroy();
        else sendText(response, 'Internal Server Error', 'text/plain', 500);
      })
      .finally(() => running.delete(responded));
    running.add(responded);
  }, options.port);
  const foreign = await listenLocally(handleForeign);
  const url = `http://${listener.host}`;
  publicUrls = {
    videos: `${url}/vweixinp.tc.qq.com`,
    pictures: `${url}/mmbiz.qpic.cn`,
    foreign: `http://${foreign.host}/vweixinp.tc.qq.com`,
    ...options.publicUrls,
  };

  return {
    ...wechat,
    url,
    host: listener.host,
    foreignHost: foreign.host,
    close: async () => {
      closing.abort(new Error('the simulator closes'));
      await Promise.all([listener.close(), foreign.close()]);
      await Promise.all(running);
    },
  };
}
