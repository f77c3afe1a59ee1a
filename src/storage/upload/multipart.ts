/**
 * Multipart uploads: create, parts in parallel, complete, or abort. Why not Upload of lib-storage:
 * docs/decisions/multipart.md.
 */
import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { failure } from '../../failures.ts';
import { settledWithin, untilAborted } from '../../runtime/timeout.ts';
import type { Address } from '../http/address.ts';
import type { QuickRetry } from '../http/quick-retry.ts';
import type { Sdk } from '../http/sdk.ts';
import type { SignedHttp } from '../http/signed-request.ts';
import type { StoredObject } from '../stored-object.ts';
import type { NewObject } from './new-object.ts';
import { CACHE_CONTROL, contentDispositionOf, etagOf, metadataOf } from './object-headers.ts';
import type { Part } from './parts.ts';
import type { VerifiedBody } from './verified-body.ts';

export interface MultipartBody {
  readonly first: Part;
  readonly others: AsyncIterable<Part>;
  readonly body: Pick<VerifiedBody, 'digest'>;
  /** Aborted with the first error, which cuts off the other parts and wakes the source. */
  readonly stop: AbortController;
}

export interface MultipartUploads {
  /** Uploads a body of two parts or more. Throws the first error; the upload is then aborted. */
  send(object: NewObject, body: MultipartBody): Promise<void>;
  /** Idempotent: an upload that does not exist is no error. */
  abort(key: string, uploadId: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the aborts of failed uploads, which run in the background, have ended. */
  waitForCleanups(): Promise<void>;
}

/** How long a failed upload waits for its Abort, which then goes on in the background. */
const CLEANUP_WAIT_MS = 500;
const CLEANUP_TIMEOUT_MS = 10_000;
const CREATE_TIMEOUT_MS = 30_000;
/** More than the attempts of one Create ever leave. */
const MAX_ORPHANED_UPLOADS = 20;

export function createMultipartUploads(
  deps: {
    http: SignedHttp;
    sdk: Sdk;
    address: Address;
    retry: QuickRetry;
    /** Resolves with undefined where there is no such object. */
    head(key: string, signal: AbortSignal): Promise<Pick<StoredObject, 'sizeBytes' | 'mark'> | undefined>;
  },
  options: { bucket: string; partsInFlight: number },
): MultipartUploads {
  const { http, sdk, address, retry, head } = deps;
  const { bucket, partsInFlight } = options;
  const cleanups = new Set<Promise<void>>();

  /** Lets `work` continue in the background and ignores its error: the error of the upload is thrown instead. */
  function cleanUp(work: Promise<void>): Promise<void> {
    const done: Promise<void> = work.catch(() => undefined).finally(() => cleanups.delete(done));
    cleanups.add(done);
    return done;
  }

  const abortInTime = (key: string, uploadId: string) =>
    abort(key, uploadId, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));

  async function abort(key: string, uploadId: string, signal: AbortSignal): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    await sdk.run(signal, (client, sendOptions) =>
      client.send(command, sendOptions).catch((error) => {
        if (error.name !== 'NoSuchUpload') throw error;
      }),
    );
  }

  /**
   * Aborts orphaned uploads of this key, whose id is unknown: the response to their Create was lost, or the process died before
   * it recorded the id. This is one request for a file of ten; where listing is not allowed, the bucket's lifecycle
   * rule has to remove them.
   */
  async function abortOrphanedUploads(key: string, signal: AbortSignal, exceptId?: string): Promise<void> {
    const command = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: key,
      MaxUploads: MAX_ORPHANED_UPLOADS,
    });
    const within = AbortSignal.any([signal, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)]);
    try {
      const { Uploads = [] } = await sdk.run(within, (client, sendOptions) =>
        client.send(command, sendOptions),
      );
      for (const { Key, UploadId } of Uploads)
        if (Key === key && UploadId && UploadId !== exceptId) await abort(key, UploadId, within);
    } catch {
      signal.throwIfAborted();
    }
  }

  async function create(object: NewObject, mark: string, signal: AbortSignal): Promise<string> {
    const { key } = object;
    const command = new CreateMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      ContentType: object.contentType,
      ContentDisposition: contentDispositionOf(object.contentDisposition, object.fileName),
      CacheControl: CACHE_CONTROL,
      Metadata: metadataOf({ ...object.metadata, mark }),
    });
    signal.throwIfAborted();
    let attempts = 0;
    // Not under the caller's signal: an upload whose response was never read could not be named and aborted.
    const creating = sdk
      .run(AbortSignal.timeout(CREATE_TIMEOUT_MS), (client, sendOptions) => {
        attempts++;
        return client.send(command, sendOptions);
      })
      .then(async ({ UploadId }) => {
        if (!UploadId) throw failure('store_unavailable', 'no upload id in the response');
        // A Create that failed may have begun an upload all the same.
        if (attempts > 1) await abortOrphanedUploads(key, signal, UploadId);
        return UploadId;
      });
    try {
      return await untilAborted(creating, signal);
    } catch (error) {
      if (signal.aborted) void cleanUp(creating.then((uploadId) => abortInTime(key, uploadId)));
      throw error;
    }
  }

  async function putPart(key: string, uploadId: string, part: Part, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(part.number), uploadId };
    const { sha256, chunks: body } = part;
    const path = address.pathOf(key);
    return await retry(signal, async () =>
      etagOf(await http.sendOk({ method: 'PUT', path, query, body, sha256, signal })),
    );
  }

  /** Completes the upload and verifies it by HEAD: the response to Complete proves neither success nor failure. */
  async function complete(
    key: string,
    uploadId: string,
    etags: readonly string[],
    expected: { sizeBytes: number; mark: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { sizeBytes, mark } = expected;
    const command = new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: etags.map((etag, index) => ({ PartNumber: index + 1, ETag: etag })) },
    });
    let failed: unknown;
    await sdk
      .run(signal, (client, sendOptions) => client.send(command, sendOptions))
      .catch((error) => {
        failed = error;
      });
    signal.throwIfAborted();
    // A Complete that succeeded although its response was a 500 or was lost fails with NoSuchUpload when it is retried.
    const stored = await head(key, signal).catch((error) => {
      throw failed ?? error;
    });
    // An object of the same size may be from an earlier upload: the mark tells this one.
    if (stored?.sizeBytes === sizeBytes && (!failed || stored.mark === mark)) return;
    const found = stored ? `HEAD reports ${stored.sizeBytes}` : 'HEAD finds no object';
    throw failed ?? failure('store_mismatch', `sent ${sizeBytes} bytes, ${found}`);
  }

  return {
    abort,
    send: async (object, { first, others, body, stop }) => {
      const { key } = object;
      const { signal } = stop;
      const inFlight = new Set<Promise<void>>();
      const mark = randomUUID();
      const etags: string[] = [];
      let uploadId: string | undefined;

      const sendPart = async (part: Part, id: string) => {
        if (inFlight.size >= partsInFlight) await Promise.race(inFlight);
        const sending = putPart(key, id, part, signal)
          .then((etag) => {
            etags[part.number - 1] = etag;
          })
          .catch((error) => stop.abort(error))
          .finally(() => inFlight.delete(sending));
        inFlight.add(sending);
      };

      try {
        await abortOrphanedUploads(key, signal);
        uploadId = await create(object, mark, signal);
        await object.onMultipart?.(uploadId);
        await sendPart(first, uploadId);
        for await (const part of others) await sendPart(part, uploadId);
        await Promise.all(inFlight);
        signal.throwIfAborted();
        await complete(key, uploadId, etags, { sizeBytes: body.digest().sizeBytes, mark }, signal);
      } catch (error) {
        stop.abort(error);
        if (uploadId) {
          const id = uploadId;
          // Only when no part is being sent any more. The store may still be busy with one that was cut off: the next
          // attempt, or the sweeper, aborts once more by the recorded id.
          const aborting = cleanUp(Promise.all(inFlight).then(() => abortInTime(key, id)));
          await settledWithin(aborting, CLEANUP_WAIT_MS);
        }
        throw signal.reason;
      }
    },
    waitForCleanups: async () => {
      await Promise.all(cleanups);
    },
  };
}
