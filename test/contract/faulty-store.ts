/** An S3 server behind a proxy that refuses, is busy or resets connections when a test asks for it, and records PUTs. */
import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEmbeddedS3 } from '../../src/embedded/s3/server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createCleanup, folderForTest } from '../machine/cleanup.ts';

const KEYS = { accessKeyId: 'WMATESTKEY', secretAccessKey: 's3-secret-for-tests-0123456789' };
const BUCKET = 'wechat-media';

/** What the proxy does with a request. */
export type StoreBehaviour = 'open' | 'reset' | { readonly status: number; readonly code: string };

export interface FaultyStore {
  /** For a program that is to use it. */
  readonly env: Record<string, string>;
  /** The key of every PUT so far, passed on or not. */
  readonly puts: readonly string[];
  /** A function decides by the key; a behaviour applies to every key. */
  respondWith(mood: StoreBehaviour | ((key: string) => StoreBehaviour)): void;
  close(): Promise<void>;
}

export async function openFaultyStore(): Promise<FaultyStore> {
  const cleanup = createCleanup();
  const folder = await folderForTest(cleanup.hooks);
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const server = await openEmbeddedS3({
    folder,
    bucket: BUCKET,
    region: 'us-east-1',
    clock: systemClock,
    log,
    fsync: false,
    ...KEYS,
  });
  cleanup.hooks.after(() => server.close());
  const puts: string[] = [];
  let moodOf: (key: string) => StoreBehaviour = () => 'open';

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', server.endpoint);
    const key = decodeURIComponent(url.pathname.slice(BUCKET.length + 2));
    if (request.method === 'PUT') puts.push(key);
    const mood = moodOf(key);
    if (mood === 'reset') return void request.socket.resetAndDestroy();
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk);
    if (mood !== 'open') {
      const xml = `<?xml version="1.0"?><Error><Code>${mood.code}</Code></Error>`;
      response.writeHead(mood.status, { 'content-type': 'application/xml' }).end(xml);
      return;
    }
    const { method, headers } = request;
    const onward = forward(url, { method, path: request.url, headers, agent: false });
    const [back] = (await once(onward.end(Buffer.concat(body)), 'response')) as [IncomingMessage];
    response.writeHead(back.statusCode ?? 500, back.headers);
    back.on('error', () => response.destroy()).pipe(response);
  }

  const proxy = createServer((request, response) => {
    // Clients that disconnect in the middle are part of the tests.
    answer(request, response).catch(() => response.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    env: {
      S3_BUCKET: BUCKET,
      S3_ENDPOINT: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      S3_REGION: 'us-east-1',
      S3_ADDRESSING: 'path',
      S3_ACCESS_KEY_ID: KEYS.accessKeyId,
      S3_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    },
    puts,
    respondWith: (mood) => {
      moodOf = typeof mood === 'function' ? mood : () => mood;
    },
    close: async () => {
      proxy.closeAllConnections();
      proxy.close();
      await cleanup.run();
    },
  };
}
