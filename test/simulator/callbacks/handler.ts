/** A server that receives the simulator's callbacks. */
import { createDecipheriv } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CallbacksOptions, createCallbacks } from '../../../src/simulator/callbacks/callbacks.ts';
import { composeMessage } from '../../../src/simulator/callbacks/messages.ts';
import { ACCOUNT, setup } from '../setup.ts';

export interface Received {
  method: string;
  query: URLSearchParams;
  body: string;
}

/** Opens a server that responds with each of the list in turn, and with the last one from then on. */
export async function openHandler(
  t: TestContext,
  responders: readonly ((response: ServerResponse, received: Received) => void)[],
) {
  const received: Received[] = [];
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url!, 'http://handler.invalid');
    const one = { method: request.method!, query: url.searchParams, body };
    received.push(one);
    responders[Math.min(received.length, responders.length) - 1]!(response, one);
  }
  const server = createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/wechat/x?own=1`, received };
}

export const respondWith =
  (body: string, status = 200) =>
  (response: ServerResponse) =>
    response.writeHead(status).end(body);
export const silence = () => {};

export async function setupCallbacks(
  t: TestContext,
  responders: Parameters<typeof openHandler>[1],
  options: Partial<CallbacksOptions> = {},
) {
  const bundle = await setup(t);
  const handler = await openHandler(t, responders);
  const pauses: number[] = [];
  const clock = {
    ...bundle.clock,
    sleep: async (ms: number) => {
      pauses.push(ms);
      await nextTurn();
    },
  };
  const { simulator, log } = bundle;
  const callbacks = createCallbacks({
    account: ACCOUNT,
    url: handler.url,
    clock,
    log: { warn: () => {}, debug: log.debug.bind(log) },
    requestLog: simulator.requestLog,
    ...options,
  });
  const image = composeMessage(simulator, { account: ACCOUNT.account, kind: 'image', seed: 1 });
  return { ...bundle, ...handler, callbacks, image, pauses, signal: new AbortController().signal };
}

export const fieldOf = (xml: string, name: string) =>
  new RegExp(`<${name}>(?:<!\\[CDATA\\[)?(.*?)(?:\\]\\]>)?</${name}>`).exec(xml)?.[1];

/** Decrypts a text into the message and the app id after it. */
export function decrypt(encrypted: string, encodingAesKey: string): { message: string; tail: string } {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64');
  const cipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  const padded = Buffer.concat([cipher.update(encrypted, 'base64'), cipher.final()]);
  const plain = padded.subarray(0, padded.length - padded.at(-1)!);
  const length = plain.readUInt32BE(16);
  return { message: plain.toString('utf8', 20, 20 + length), tail: plain.toString('utf8', 20 + length) };
}
