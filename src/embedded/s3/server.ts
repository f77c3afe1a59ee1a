/**
 * The embedded S3 server: one bucket in a folder, for trying the archiver and for small installations. It implements the
 * part of S3 that src/storage, browsers with a link and a plain SDK use, and refuses the rest with NotImplemented.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { settledWithin } from '../../runtime/timeout.ts';
import { createDiskSpace } from './files/disk-space.ts';
import { openUploads } from './files/multipart.ts';
import { openObjectFolder } from './files/objects.ts';
import { errnoOf } from './files/record-file.ts';
import { type Bucket, send } from './operations/request-context.ts';
import { chooseOperation } from './operations/routes.ts';
import { parseTarget } from './protocol/request-target.ts';
import { renderError, S3Error } from './protocol/responses.ts';
import { type Credentials, verifySignature } from './protocol/signature.ts';

export interface EmbeddedS3Options extends Credentials {
  /** No other process may use it; see runtime/disk/folder-lock.ts. */
  folder: string;
  bucket: string;
  /** Default: any free port. */
  port?: number;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'error' | 'debug' | 'info'>;
  /** A body that would leave less free space than this is refused with 507. Default 256 MiB. */
  freeSpaceFloorBytes?: number;
  /** Default true: an object survives a power cut once its PUT has succeeded. */
  fsync?: boolean;
  /** The smallest part of a multipart upload but the last. Default 5 MiB, as in S3. */
  minPartBytes?: number;
  /** A silent socket is closed after this. Default 30 s. */
  idleTimeoutMs?: number;
}

export interface EmbeddedS3 {
  readonly endpoint: string;
  /** Waits up to 5 s for requests in flight, then closes their connections. */
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 20_000;
/** The limit of a whole request, for a client that sends a byte now and then. */
const REQUEST_TIMEOUT_MS = 15 * 60_000;
const KEEP_ALIVE_MS = 60_000;
const MAX_CONNECTIONS = 512;
const CLOSE_GRACE_MS = 5_000;
/** A refusal is sent when this much of the body has been read: many clients read the response only after the body. */
const MAX_DRAIN_BYTES = 16 * 1024 * 1024;
const MAX_DRAIN_MS = 2_000;

/** Reads the rest of the body, bounded in bytes and time. Resolves with whether the body has ended. */
async function drain(request: IncomingMessage): Promise<boolean> {
  await nextTurn(); // the reader that has just ended is still being detached
  if (request.complete || request.destroyed) return request.complete;
  let leftBytes = MAX_DRAIN_BYTES;
  if (Number(request.headers['content-length']) > leftBytes) return false;
  const ended = new Promise<void>((resolve) => {
    request.once('end', resolve).once('close', resolve);
    request.on('data', (bytes: Buffer) => {
      leftBytes -= bytes.length;
      if (leftBytes < 0) resolve();
    });
  });
  await settledWithin(ended, MAX_DRAIN_MS);
  return request.complete;
}

/** Returns the error that the client gets. An unforeseen error becomes an InternalError without details. */
function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return new S3Error('InsufficientStorage', 'The disk is full.');
  if (errno === 'ENAMETOOLONG')
    return new S3Error('KeyTooLongError', 'The key is too long for this file system.');
  return new S3Error('InternalError', 'An error inside the server; see its log.');
}

/** @throws Error where the folder cannot be created or the port is in use. */
export async function openEmbeddedS3(options: EmbeddedS3Options): Promise<EmbeddedS3> {
  const { folder, clock, log, fsync = true } = options;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(options.bucket))
    throw new Error(`"${options.bucket}" is not a valid bucket name`);
  const objects = await openObjectFolder(folder, fsync);
  const disk = createDiskSpace(folder, options.freeSpaceFloorBytes ?? 256 * 1024 * 1024);
  const { minPartBytes = 5 * 1024 * 1024 } = options;
  const uploads = await openUploads(folder, objects, { fsync, disk, minPartBytes });
  const bucket: Bucket = { name: options.bucket, clock, objects, uploads, disk };

  async function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    // The client has left.
    if (response.destroyed || request.socket.destroyed) return;
    if (response.headersSent) {
      // The client notices, because the response is shorter than its Content-Length.
      log.error({ err: error }, 'embedded-s3: response cut off');
      response.destroy();
      return;
    }
    const refusal = toS3Error(error);
    if (refusal.code === 'InternalError') log.error({ err: error }, 'embedded-s3: request failed');
    const isWhole = await drain(request);
    if (request.socket.destroyed) return;
    const resource = (request.url ?? '').replace(/\?.*/s, '');
    const xml = renderError(refusal, resource, String(response.getHeader('x-amz-request-id')));
    const headers = { ...refusal.headers, ...(isWhole ? {} : { connection: 'close' }) };
    send({ response }, refusal.statusCode, headers, request.method === 'HEAD' ? undefined : xml);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('x-amz-request-id', randomBytes(8).toString('hex').toUpperCase());
    try {
      const target = parseTarget(request.url ?? '');
      const method = request.method ?? '';
      const headers = request.headersDistinct;
      const payloadSha256 = verifySignature({ method, target, headers }, options, clock.now());
      const operation = chooseOperation(method, target, bucket.name);
      await operation({ request, response, target, headers, payloadSha256 }, bucket);
    } catch (error) {
      await refuse(request, response, error);
    }
  }

  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 5_000,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = options.idleTimeoutMs ?? 30_000;
  const running = new Set<Promise<void>>();
  server.on('request', (request, response) => {
    const startedAt = performance.now();
    const run = handle(request, response)
      .catch((error: unknown) => {
        log.error({ err: error }, 'embedded-s3: response failed');
        response.destroy();
      })
      .finally(() => {
        running.delete(run);
        // Without the URL: its query holds signatures.
        const ms = Math.round(performance.now() - startedAt);
        log.debug({ method: request.method, status: response.statusCode, ms }, 'embedded-s3: request');
      });
    running.add(run);
  });
  server.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  log.info({ endpoint, bucket: bucket.name }, 'embedded-s3: listening');

  return {
    endpoint,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      if (!(await settledWithin(closed, CLOSE_GRACE_MS))) server.closeAllConnections();
      await closed;
      await Promise.allSettled(running); // they discard their staged files
    },
  };
}
