/**
 * The embedded S3 server: one bucket in a folder, for trying the archiver and for small installations. It speaks as
 * much of S3 as clients of an archive use, checks everything they can prove, and refuses the rest by name.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { createDiskSpace } from './files/disk-space.ts';
import { openUploads } from './files/multipart.ts';
import { openObjectFolder } from './files/objects.ts';
import { errnoOf } from './files/record-file.ts';
import { type Bucket, type RequestContext, send } from './operations/request-context.ts';
import { chooseOperation } from './operations/routes.ts';
import { parseTarget } from './protocol/request-target.ts';
import { renderError, S3Error } from './protocol/responses.ts';
import { type Credentials, verifySignature } from './protocol/signature.ts';

export interface EmbeddedS3Options extends Credentials {
  /** Used by nobody else; see folder-lock.ts. */
  folder: string;
  bucket: string;
  /** Default: any free one. */
  port?: number;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'error' | 'debug' | 'info'>;
  /** Bodies are answered 507 rather than letting free space fall below this. Default 256 MiB. */
  freeSpaceFloorBytes?: number;
  /** Default true: an answered PUT survives a power cut. */
  fsync?: boolean;
  /** A socket on which nothing moves for so long is closed. Default 30 s. */
  idleTimeoutMs?: number;
}

export interface EmbeddedS3 {
  readonly endpoint: string;
  /** Lets requests in flight end for up to 5 s, then cuts them. */
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 20_000;
/** The whole of a request, so that a client sending a byte now and then does not stay for ever. */
const REQUEST_TIMEOUT_MS = 15 * 60_000;
const KEEP_ALIVE_MS = 60_000;
const MAX_CONNECTIONS = 512;
const CLOSE_GRACE_MS = 5_000;
/** As much of an unwanted body is read before the refusal is sent: a client reads answers after it has sent. */
const MAX_DRAIN_BYTES = 16 * 1024 * 1024;
const MAX_DRAIN_MS = 2_000;

/** Reads on until the body ends, bounded in bytes and time. @returns whether it ended. */
async function drain(request: IncomingMessage): Promise<boolean> {
  await nextTurn(); // a reader that has just left is still being taken off
  if (request.complete || request.destroyed) return request.complete;
  let leftBytes = MAX_DRAIN_BYTES;
  if (Number(request.headers['content-length']) > leftBytes) return false;
  const timer = new AbortController();
  const ended = new Promise<void>((resolve) => {
    request.once('end', resolve).once('close', resolve);
    request.on('data', (bytes: Buffer) => {
      leftBytes -= bytes.length;
      if (leftBytes < 0) resolve();
    });
  });
  await Promise.race([ended, wait(MAX_DRAIN_MS, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
  return request.complete;
}

/** What the client is told. Anything unforeseen is an InternalError without detail. */
function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  const errno = errnoOf(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return new S3Error('InsufficientStorage', 'The disk is full.');
  if (errno === 'ENAMETOOLONG')
    return new S3Error('KeyTooLongError', 'The key is too long for this file system.');
  return new S3Error('InternalError', 'Something went wrong inside the server; its log knows more.');
}

/** @throws Error when the folder cannot be made or the port cannot be had. */
export async function openEmbeddedS3(options: EmbeddedS3Options): Promise<EmbeddedS3> {
  const { folder, bucket, clock, log, fsync = true } = options;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw new Error(`"${bucket}" is not a bucket's name`);
  const objects = await openObjectFolder(folder, fsync);
  const disk = createDiskSpace(folder, options.freeSpaceFloorBytes ?? 256 * 1024 * 1024);
  const uploads = await openUploads(folder, objects, { fsync, disk });
  const store: Bucket = { bucket, region: options.region, clock, objects, uploads, disk };

  async function refuse(
    request: IncomingMessage,
    response: ServerResponse,
    error: unknown,
    unwanted: boolean,
  ) {
    // The client left, or its answer is under way and can only be cut: it then misses its announced length.
    if (response.destroyed || request.socket.destroyed) return;
    if (response.headersSent) {
      log.error({ err: error }, 'embedded s3: an answer broke off');
      response.destroy();
      return;
    }
    const answer = toS3Error(error);
    if (answer.code === 'InternalError') log.error({ err: error }, 'embedded s3: a request failed');
    const whole = !unwanted && (await drain(request));
    if (request.socket.destroyed) return;
    const xml = renderError(
      answer,
      (request.url ?? '').replace(/\?.*/s, ''),
      String(response.getHeader('x-amz-request-id')),
    );
    const headers = { ...answer.headers, ...(whole ? {} : { connection: 'close' }) };
    send({ response }, answer.statusCode, headers, request.method === 'HEAD' ? undefined : xml);
  }

  async function handle(request: IncomingMessage, response: ServerResponse, waits: boolean): Promise<void> {
    response.setHeader('x-amz-request-id', randomBytes(8).toString('hex').toUpperCase());
    let wanted = !waits;
    try {
      const target = parseTarget(request.url ?? '');
      const method = request.method ?? '';
      const headers = request.headersDistinct;
      const payload = verifySignature({ method, target, headers }, options, clock.now());
      const operation = chooseOperation(method, target, bucket);
      const acceptBody = () => {
        if (!wanted) response.writeContinue();
        wanted = true;
      };
      const exchange: RequestContext = { request, response, target, headers, payload, acceptBody };
      await operation(exchange, store);
    } catch (error) {
      await refuse(request, response, error, !wanted);
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
  const listener = (waits: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    const startedAt = performance.now();
    const run = handle(request, response, waits)
      .catch((error: unknown) => {
        log.error({ err: error }, 'embedded s3: an answer failed');
        response.destroy();
      })
      .finally(() => {
        running.delete(run);
        // Never the URL's query: it holds signatures.
        const ms = Math.round(performance.now() - startedAt);
        log.debug({ method: request.method, status: response.statusCode, ms }, 'embedded s3');
      });
    running.add(run);
  };
  server.on('request', listener(false));
  server.on('checkContinue', listener(true));
  server.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  log.info({ endpoint, bucket }, 'embedded s3 listens');

  return {
    endpoint,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      await closed;
      clearTimeout(timer);
      await Promise.allSettled(running); // their drafts are discarded by then
    },
  };
}
