/** An S3 server behind a door that a test can close: it refuses, is busy, breaks off, and counts who knocked. */
import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEmbeddedS3 } from '../../src/embedded/s3/server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createCleanup, folderForTest } from '../machine/cleanup.ts';

const KEYS = { accessKeyId: 'WMATESTKEY', secretAccessKey: 's3-secret-for-tests-0123456789' };
const BUCKET = 'wechat-media';

/** What the door does to a request. */
export type StoreBehaviour = 'open' | 'reset' | { readonly status: number; readonly code: string };

export interface FaultyStore {
  /** For a program that is to use it. */
  readonly env: Record<string, string>;
  /** Every key of every PUT so far, let in or not. */
  readonly puts: readonly string[];
  /** `of` says how a key is met; for all of them alike by default. */
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

  const door = createServer((request, response) => {
    // A client that leaves in the middle is part of the tests.
    answer(request, response).catch(() => response.destroy());
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  return {
    env: {
      S3_BUCKET: BUCKET,
      S3_ENDPOINT: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
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
      door.closeAllConnections();
      door.close();
      await cleanup.run();
    },
  };
}
