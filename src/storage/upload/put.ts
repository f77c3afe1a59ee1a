/**
 * Putting a body: what fits into one part is one PUT, anything larger is multipart. Either way every byte that
 * leaves is proven by a signed payload hash, and nothing completes before the whole is proven (guard.ts).
 * Why not lib-storage's Upload: docs/decisions/multipart.md.
 */
import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { FailureError, failure } from '../../failures.ts';
import { isStoreAway } from '../../store-failures.ts';
import type { Address } from '../http/address.ts';
import type { QuickRetry } from '../http/quick-retry.ts';
import type { Sdk } from '../http/sdk.ts';
import type { BufferedResponse, SignedHttp } from '../http/signed-request.ts';
import type { StoredObject } from '../store.ts';
import { CACHE_CONTROL, dispositionOf, headersOf, metadataOf, type ObjectHeaders } from './object-headers.ts';
import { type Part, partsOf } from './parts.ts';
import {
  createVerifiedBody,
  type Digest,
  type Expectation,
  readVerified,
  type VerifiedBody,
} from './verified-body.ts';

export interface NewObject extends ObjectHeaders {
  readonly key: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Undefined: of unknown length, and the body itself throws when it is cut (chunked encoding). */
  readonly expect?: Expectation | undefined;
  /** Awaited before the first part is sent. Not called where one PUT is enough. */
  readonly onMultipart?: ((uploadId: string) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}

export interface Put {
  put(object: NewObject): Promise<Digest & { multipart: boolean }>;
  abortMultipart(key: string, uploadId: string, signal: AbortSignal): Promise<void>;
  /** Waits for the cleaning up after uploads that were given up. */
  waitForCleanups(): Promise<void>;
}

/** How long a caller who gave up waits for the cleaning up; it goes on behind his back. */
const CLEANUP_WAIT_MS = 500;
const CLEANUP_TIMEOUT_MS = 10_000;
const CREATE_TIMEOUT_MS = 30_000;
/** More than the repeats of one begun upload ever leave. */
const MAX_ORPHANED_UPLOADS = 20;

/** Every store names what it has kept. What answers 200 without a name has kept nothing: a website, a captive portal. */
function etagOf({ status, headers }: BufferedResponse): string {
  const { etag } = headers;
  if (!etag || etag.startsWith('W/') || headers['content-type']?.startsWith('text/html'))
    throw failure('store_not_s3', `HTTP ${status} and no ETag of an object`);
  return etag;
}

export function createPut(
  deps: {
    wire: SignedHttp;
    sdk: Sdk;
    address: Address;
    repeat: QuickRetry;
    /** Undefined where there is none. */
    head(
      key: string,
      signal: AbortSignal,
    ): Promise<Pick<StoredObject, 'sizeBytes' | 'sha256' | 'mark'> | undefined>;
  },
  options: { bucket: string; partSizeBytes: number; partsInFlight: number; sourceIdleTimeoutMs: number },
): Put {
  const { wire, sdk, address, repeat, head } = deps;
  const { bucket, partSizeBytes, partsInFlight, sourceIdleTimeoutMs } = options;
  const cleanups = new Set<Promise<void>>();

  async function put(object: NewObject): Promise<Digest & { multipart: boolean }> {
    const { body, expect, signal } = object;
    signal.throwIfAborted();
    const idleTimeoutMs = sourceIdleTimeoutMs;
    const lengthBytes = expect && ('lengthBytes' in expect ? expect.lengthBytes : expect.sizeBytes);
    if (lengthBytes !== undefined && lengthBytes <= partSizeBytes) {
      // Not through partsOf, which nearly doubled the CPU of a picture.
      const { chunks, measure } = await readVerified(body, { expect, idleTimeoutMs, signal });
      return await putWhole(object, chunks, measure);
    }
    // Aborted with the first thing that goes wrong, which is thereby told from what it brings about.
    const stop = new AbortController();
    const stopAsked = () => stop.abort(signal.reason);
    signal.addEventListener('abort', stopAsked, { once: true });
    const guard = createVerifiedBody(body, { expect, idleTimeoutMs, signal: stop.signal });
    try {
      const parts = partsOf(guard.chunks, partSizeBytes);
      try {
        const first = await parts.next();
        if (first.done) throw new Error('a body has at least one part');
        if (first.value.last) return await putWhole(object, first.value.chunks, guard.digest());
        return await putParts(object, first.value, parts, guard, stop);
      } finally {
        // Closes the source where it was not read to its end.
        await parts.return();
      }
    } finally {
      signal.removeEventListener('abort', stopAsked);
    }
  }

  async function putWhole(object: NewObject, chunks: readonly Uint8Array[], measure: Digest) {
    const { key, signal } = object;
    const { sha256, sizeBytes } = measure;
    const path = address.pathOf(key);
    const headers = headersOf({ ...object, metadata: { ...object.metadata, sha256 } });
    try {
      await repeat(signal, async () =>
        etagOf(await wire.sendOk({ method: 'PUT', path, headers, body: chunks, sha256, signal })),
      );
    } catch (error) {
      signal.throwIfAborted();
      // Done, perhaps, and the answer was lost on its way, or was a 500: the object itself tells.
      if (!(error instanceof FailureError) || !isStoreAway(error.failure.code)) throw error;
      const stored = await head(key, signal).catch(() => undefined);
      signal.throwIfAborted();
      if (stored?.sizeBytes !== sizeBytes || stored.sha256 !== sha256) throw error;
    }
    return { ...measure, multipart: false };
  }

  async function putParts(
    object: NewObject,
    first: Part,
    others: AsyncIterable<Part>,
    guard: VerifiedBody,
    stop: AbortController,
  ) {
    const { key } = object;
    const { signal } = stop;
    const inFlight = new Set<Promise<void>>();
    let uploadId: string | undefined;
    const mark = randomUUID();
    try {
      await abortOrphanedUploads(key, signal);
      uploadId = await createMultipart(object, mark, signal);
      await object.onMultipart?.(uploadId);
      const etags: string[] = [];
      const send = async (part: Part, id: string) => {
        if (inFlight.size >= partsInFlight) await Promise.race(inFlight);
        const sending = putPart(key, id, part, signal)
          .then((etag) => {
            etags[part.number - 1] = etag;
          })
          // Wakes the source and cuts the other parts: none of them is of use any more.
          .catch((error) => stop.abort(error))
          .finally(() => inFlight.delete(sending));
        inFlight.add(sending);
      };
      await send(first, uploadId);
      for await (const part of others) await send(part, uploadId);
      await Promise.all(inFlight);
      signal.throwIfAborted();
      await completeMultipart(key, uploadId, etags, { sizeBytes: guard.digest().sizeBytes, mark }, signal);
      return { ...guard.digest(), multipart: true };
    } catch (error) {
      stop.abort(error);
      if (uploadId) await abandon(key, uploadId, inFlight);
      throw signal.reason;
    }
  }

  /**
   * Ends uploads to this key that nobody can name: begun, but the answer was lost, or the process died before it wrote
   * the id down. One request for a file of ten; where listing is not allowed, the bucket's lifecycle rule has to.
   */
  async function abortOrphanedUploads(key: string, signal: AbortSignal, ours?: string): Promise<void> {
    const list = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: key,
      MaxUploads: MAX_ORPHANED_UPLOADS,
    });
    const within = AbortSignal.any([signal, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)]);
    try {
      const { Uploads = [] } = await sdk.run(within, (client, how) => client.send(list, how));
      for (const { Key, UploadId } of Uploads)
        if (Key === key && UploadId && UploadId !== ours) await abortMultipart(key, UploadId, within);
    } catch {
      signal.throwIfAborted();
    }
  }

  async function createMultipart(object: NewObject, mark: string, signal: AbortSignal): Promise<string> {
    const create = new CreateMultipartUploadCommand({
      Bucket: bucket,
      Key: object.key,
      ContentType: object.contentType,
      ContentDisposition: dispositionOf(object.disposition, object.fileName),
      CacheControl: CACHE_CONTROL,
      Metadata: metadataOf({ ...object.metadata, mark }),
    });
    signal.throwIfAborted();
    let times = 0;
    const creating = sdk
      .run(AbortSignal.timeout(CREATE_TIMEOUT_MS), (client, how) => {
        times++;
        return client.send(create, how);
      })
      .then(async ({ UploadId }) => {
        if (!UploadId) throw failure('store_unavailable', 'no upload id in the answer');
        // What was answered with an error may have been begun all the same.
        if (times > 1) await abortOrphanedUploads(object.key, signal, UploadId);
        return UploadId;
      });
    return await new Promise((resolve, reject) => {
      // Left, but not cut short: an upload that was made and whose answer nobody read could never be named and aborted.
      const leave = () => {
        reject(signal.reason);
        const leaving = creating
          .then((uploadId) => abortMultipart(object.key, uploadId, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
          .catch(() => undefined)
          .finally(() => cleanups.delete(leaving));
        cleanups.add(leaving);
      };
      signal.addEventListener('abort', leave, { once: true });
      creating.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  async function putPart(key: string, uploadId: string, part: Part, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(part.number), uploadId };
    const { sha256 } = part;
    const path = address.pathOf(key);
    return await repeat(signal, async () =>
      etagOf(await wire.sendOk({ method: 'PUT', path, query, body: part.chunks, sha256, signal })),
    );
  }

  /** Completes, and reads the length back: what Complete answers is not proof, neither way. */
  async function completeMultipart(
    key: string,
    uploadId: string,
    etags: readonly string[],
    expected: { sizeBytes: number; mark: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { sizeBytes, mark } = expected;
    const parts = etags.map((etag, index) => ({ PartNumber: index + 1, ETag: etag }));
    const complete = new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
    });
    let refused: unknown;
    await sdk
      .run(signal, (client, how) => client.send(complete, how))
      .catch((error) => {
        refused = error;
      });
    signal.throwIfAborted();
    // A Complete that was done but answered 500, or cut, is repeated into NoSuchUpload: the object itself tells.
    const stored = await head(key, signal).catch((error) => {
      throw refused ?? error;
    });
    // Of one size may also be what an earlier upload left there: the mark is this one's.
    if (stored?.sizeBytes === sizeBytes && (!refused || stored.mark === mark)) return;
    const said = stored ? `${stored.sizeBytes}` : 'nothing is there';
    throw refused ?? failure('store_mismatch', `sent ${sizeBytes} bytes, HEAD says ${said}`);
  }

  /**
   * Aborts once no part is being sent any more. The store may still be busy with one that was cut: the next try, or the
   * sweeper, aborts once more by the recorded id.
   */
  async function abandon(key: string, uploadId: string, inFlight: Iterable<Promise<void>>): Promise<void> {
    const leaving = Promise.all(inFlight)
      .then(() => abortMultipart(key, uploadId, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
      // Why the upload was given up is the error that counts; the id is recorded for the sweeper.
      .catch(() => undefined)
      .finally(() => cleanups.delete(leaving));
    cleanups.add(leaving);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([leaving, new Promise((resolve) => (timer = setTimeout(resolve, CLEANUP_WAIT_MS)))]);
    clearTimeout(timer);
  }

  async function abortMultipart(key: string, uploadId: string, signal: AbortSignal): Promise<void> {
    const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    await sdk.run(signal, (client, how) =>
      client.send(abort, how).catch((error) => {
        if (error.name !== 'NoSuchUpload') throw error;
      }),
    );
  }

  return {
    put,
    abortMultipart,
    waitForCleanups: async () => {
      await Promise.all(cleanups);
    },
  };
}
