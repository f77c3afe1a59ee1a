/**
 * An S3 of the test's own as a process: the embedded server behind a proxy that fails on request. Started with an IPC
 * channel; sends `{ endpoint, behind }` when it listens, and takes the name of a fault, or '' for none.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEmbeddedS3 } from '../../src/embedded/s3/server.ts';
import { createLog } from '../../src/runtime/log.ts';
import type { StoreFault } from './script.ts';

const { CHAOS_STORE_FOLDER, CHAOS_STORE_BUCKET, CHAOS_STORE_KEY, CHAOS_STORE_SECRET } = process.env;
const log = createLog({ level: 'error', program: 'store', secrets: [] });
const store = await openEmbeddedS3({
  folder: CHAOS_STORE_FOLDER!,
  bucket: CHAOS_STORE_BUCKET!,
  accessKeyId: CHAOS_STORE_KEY!,
  secretAccessKey: CHAOS_STORE_SECRET!,
  region: 'us-east-1',
  clock: { now: () => new Date() },
  log,
  // This process is not killed: what it acknowledged is there.
  fsync: false,
  freeSpaceFloorBytes: 0,
});
const { port: behind } = new URL(store.endpoint);

let fault: StoreFault | '' = '';
const stalled = new Set<ServerResponse>();

const sorry = (response: ServerResponse, status: number, code: string) =>
  response
    .writeHead(status, { 'Content-Type': 'application/xml', Connection: 'close' })
    .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test wishes</Message></Error>`);

/** Host and signature pass unchanged: the server behind verifies them as they are. */
function pass(incoming: IncomingMessage, response: ServerResponse, respond: (from: IncomingMessage) => void) {
  const outgoing = request(
    {
      host: '127.0.0.1',
      port: behind,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
    },
    respond,
  );
  outgoing.on('error', () => response.destroy());
  incoming.on('error', () => outgoing.destroy());
  response.on('close', () => {
    if (!response.writableEnded) outgoing.destroy();
  });
  incoming.pipe(outgoing);
}

const server = createServer((incoming, response) => {
  const isWrite = incoming.method === 'PUT' || incoming.method === 'POST';
  /** Of an upload in parts, whose name is in the response alone. */
  const isStart = incoming.method === 'POST' && /[?&]uploads\b/.test(incoming.url ?? '');
  switch (fault) {
    case 'unavailable':
      incoming.resume();
      return void sorry(response, 503, 'SlowDown');
    case 'refused':
      incoming.resume();
      return void sorry(response, 403, 'AccessDenied');
    case 'reset':
      return void incoming.socket.resetAndDestroy();
    case 'stall':
      stalled.add(response);
      return;
    default:
      pass(incoming, response, (from) => {
        // Done without a response, as when a load balancer loses it.
        if (fault === (isStart ? 'forgetfulStart' : 'forgetful') && isWrite) {
          from.resume();
          return void from.once('end', () => sorry(response, 500, 'InternalError'));
        }
        response.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(response);
      });
  }
});
// A client whose connection is cut while the store stalls is no reason to end.
server.on('clientError', (_error, socket) => socket.destroy());
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ endpoint: `http://127.0.0.1:${port}`, behind: store.endpoint });
});

process.on('message', (wanted: StoreFault | '') => {
  fault = wanted;
  for (const response of stalled) response.destroy();
  stalled.clear();
});
process.on('disconnect', () => process.exit(0));
