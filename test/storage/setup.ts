/**
 * The store against the embedded S3 server, which verifies signatures, hashes and lengths, with a proxy in between that
 * injects faults.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { openEmbeddedS3 } from '../../src/embedded/s3/server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createStore, type StoreOptions } from '../../src/storage/store.ts';

export const MIB = 1024 * 1024;
/** Small, so that tests move few bytes, and above 512 KiB, so that a part is written in pieces. */
export const PART_BYTES = 640 * 1024;
export const ACCESS_KEY_ID = 'AKIDFORTESTS';
export const SECRET_ACCESS_KEY = 'a-secret-for-tests-only';
export const BUCKET = 'media';

/** What the proxy does to one request. Undefined: it passes the request on. */
export type Fault =
  | { status: number; code?: string; headers?: Record<string, string> }
  | { reset: true }
  | { stall: true }
  /** The request is passed on, and the response is replaced. */
  | { passThenStatus: number; code?: string }
  /** The request is passed on, and the connection breaks before the response. */
  | { passThenReset: true }
  /** The request is passed on with one bit of the body changed. */
  | { flipBit: true }
  /** The response is 200 with this body. */
  | { text: string }
  /** The request is passed on, and the connection breaks in the middle of the response. */
  | { cutResponse: true };

export interface Seen {
  readonly method: string;
  readonly url: URL;
  /** `PUT`, `HEAD`, …; of multipart: `create`, `part 1`, `complete`, `abort`. */
  readonly operation: string;
  readonly headers: IncomingMessage['headers'];
}

function operationOf(method: string, url: URL): string {
  if (url.searchParams.has('uploads')) return method === 'POST' ? 'create' : 'list uploads';
  if (!url.searchParams.has('uploadId')) return method;
  if (method === 'PUT') return `part ${url.searchParams.get('partNumber')}`;
  return method === 'POST' ? 'complete' : 'abort';
}

export async function setup(t: TestContext, options: Partial<StoreOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'wma-storage-'));
  const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  const log = pino({ level: 'silent' });
  const base = { bucket: BUCKET, region: 'us-east-1', clock: systemClock, ...credentials };
  const server = await openEmbeddedS3({
    ...base,
    folder,
    log,
    freeSpaceFloorBytes: 0,
    fsync: false,
    minPartBytes: PART_BYTES,
  });
  const seen: Seen[] = [];
  let faultOf: (request: Seen) => Fault | undefined = () => undefined;

  function refuse(response: ServerResponse, fault: { status: number; code?: string | undefined }) {
    const xml = `<?xml version="1.0"?><Error><Code>${fault.code ?? 'InternalError'}</Code><Message>${ACCESS_KEY_ID}</Message></Error>`;
    response.writeHead(fault.status, { 'content-type': 'application/xml' }).end(xml);
  }

  async function proxyRequest(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? '/', server.endpoint);
    const method = request.method ?? '';
    const entry = { method, url, operation: operationOf(method, url), headers: request.headers };
    seen.push(entry);
    const fault = faultOf(entry);
    if (fault && 'reset' in fault) return request.socket.resetAndDestroy();
    if (fault && 'stall' in fault) return request.resume();
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk);
    if (fault && 'status' in fault) {
      for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
      return refuse(response, { status: fault.status, code: fault.code });
    }
    if (fault && 'text' in fault) return response.end(fault.text);
    if (fault && 'flipBit' in fault && body[0]) body[0].writeUInt8(body[0].readUInt8(0) ^ 1, 0);
    const onward = forward(url, { method, path: request.url, headers: request.headers, agent: false });
    const [upstream] = (await once(onward.end(Buffer.concat(body)), 'response')) as [IncomingMessage];
    if (fault && 'passThenStatus' in fault) {
      upstream.resume();
      await once(upstream, 'end');
      return refuse(response, { status: fault.passThenStatus, code: fault.code });
    }
    if (fault && 'passThenReset' in fault) {
      upstream.resume();
      await once(upstream, 'end');
      return request.socket.resetAndDestroy();
    }
    response.writeHead(upstream.statusCode ?? 500, upstream.headers);
    if (fault && 'cutResponse' in fault) {
      const [chunk] = await once(upstream, 'data');
      return response.write(chunk, () => request.socket.resetAndDestroy());
    }
    upstream.on('error', () => response.destroy()).pipe(response);
  }

  const proxy = createServer((request, response) => {
    // A client that leaves in the middle is part of the tests.
    proxyRequest(request, response).catch(() => response.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  const store = createStore({ ...base, endpoint, addressing: 'path', prefix: '', ...options });
  const direct = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  t.after(async () => {
    await store.close();
    direct.destroy();
    proxy.closeAllConnections();
    proxy.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Counts the uploads that are neither completed nor aborted, as the server lists them. */
  const openUploads = async () =>
    (await direct.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }))).Uploads?.length ?? 0;

  return {
    store,
    endpoint,
    directEndpoint: server.endpoint,
    seen,
    operations: () => seen.map((request) => request.operation),
    injectFaults: (decide: typeof faultOf) => {
      faultOf = decide;
    },
    openUploads,
    /** A failed put waits half a second for its Abort, which may take longer on a busy machine. */
    untilNoOpenUpload: async () => {
      const giveUpAt = performance.now() + 10_000;
      while ((await openUploads()) > 0) {
        if (performance.now() > giveUpAt) throw new Error(`${await openUploads()} uploads are still open`);
        await wait(20);
      }
    },
    /** Begins an upload like another process, not through the proxy. */
    beginUpload: async (Key: string) =>
      void (await direct.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }))),
    /** Reads an object back and returns its sha256; undefined where there is none. */
    stored: async (key: string) => {
      const signal = AbortSignal.timeout(10_000);
      if (!(await store.head(key, signal))) return undefined;
      const object = await store.get(key, { signal });
      const hash = createHash('sha256');
      for await (const chunk of object!.body) hash.update(chunk);
      return hash.digest('hex');
    },
  };
}

/** Returns bytes that differ from place to place, so that parts in the wrong order are noticed. */
export function bytes(sizeBytes: number): Buffer {
  const buffer = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4096) buffer.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
  return buffer;
}

export const sha256 = (body: Uint8Array) => createHash('sha256').update(body).digest('hex');

/** Yields a body like a download, in chunks of up to 64 KiB. `ending` runs after the last one. */
export async function* flow(body: Buffer, ending?: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += 65_536) yield body.subarray(at, at + 65_536);
  await ending?.();
}

export const never = () => new Promise<void>(() => undefined);

/** The object that the tests put. */
export const picture = {
  key: 'wx1/2026/11/20/m_1.jpg',
  contentType: 'image/jpeg',
  contentDisposition: 'inline',
  metadata: {},
} as const;
