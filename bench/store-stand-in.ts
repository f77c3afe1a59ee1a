/** Stands in for the store: counts the bytes of objects and parts and stores none. `BYTES_PER_SECOND` limits its speed. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { serveParent } from './child.ts';

const limit = Number(process.env.BYTES_PER_SECOND ?? 0);
/** When the last admitted byte has passed, by the limit. */
let admittedUntilMs = 0;

const objects = new Map<string, number>();
/** Path → milliseconds since 1970 when the object was complete. */
let storedAt: Record<string, number> = {};
const uploads = new Map<string, number>();
let requests = 0;
let bytes = 0;

async function drain(request: IncomingMessage): Promise<number> {
  let size = 0;
  if (limit === 0) {
    // No iterator: the sink should not be what is measured.
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    await new Promise<void>((resolve, reject) => request.once('end', resolve).once('error', reject));
    return size;
  }
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    const now = performance.now();
    admittedUntilMs = Math.max(now, admittedUntilMs) + (chunk.length / limit) * 1000;
    if (admittedUntilMs - now > 5) await wait(admittedUntilMs - now);
  }
  return size;
}

function store(path: string, size: number): void {
  objects.set(path, size);
  storedAt[path] = Date.now();
}

const xml = (response: ServerResponse, body: string) => {
  response.setHeader('content-type', 'application/xml');
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${body}`);
};

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests++;
  const url = new URL(request.url ?? '/', 'http://sink.invalid');
  const size = await drain(request);
  // aws-chunked framing is not the object's.
  const payload = Number(request.headers['x-amz-decoded-content-length'] ?? size);
  bytes += payload;
  const uploadId = url.searchParams.get('uploadId');
  switch (request.method) {
    case 'PUT':
      if (uploadId) uploads.set(uploadId, (uploads.get(uploadId) ?? 0) + payload);
      else store(url.pathname, payload);
      response.setHeader('etag', `"${'0'.repeat(32)}"`);
      return void response.end();
    case 'POST': {
      if (!uploadId) {
        const id = `upload-${requests}`;
        uploads.set(id, 0);
        return xml(
          response,
          `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
        );
      }
      store(url.pathname, uploads.get(uploadId) ?? 0);
      uploads.delete(uploadId);
      return xml(
        response,
        `<CompleteMultipartUploadResult><ETag>"${'0'.repeat(32)}-1"</ETag></CompleteMultipartUploadResult>`,
      );
    }
    case 'HEAD': {
      const stored = objects.get(url.pathname);
      if (stored === undefined) response.statusCode = 404;
      else response.setHeader('content-length', stored);
      return void response.end();
    }
    case 'GET':
      return xml(response, '<ListBucketResult></ListBucketResult>');
    default:
      objects.delete(url.pathname);
      uploads.delete(uploadId ?? '');
      response.statusCode = 204;
      response.end();
  }
}

const server = createServer((request, response) => {
  respond(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () =>
  serveParent({
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => objects.size,
    storedAt: () => storedAt,
    /** Returns what was stored since the last call, and resets the counts. */
    take: () => {
      const sizes = [...objects.values()];
      const taken = { requests, bytes, objects: sizes.length, objectBytes: sizes.reduce((a, b) => a + b, 0) };
      objects.clear();
      storedAt = {};
      [requests, bytes] = [0, 0];
      return taken;
    },
  }),
);
