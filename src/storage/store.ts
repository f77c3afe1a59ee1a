/** The store: a bucket of any S3-compatible service, the embedded server included. One per process. */
import type { Readable } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Addressing } from '../config/s3-presets.ts';
import { UPLOAD_PARTS, type UploadParts, uploadMemoryBytes } from '../config/upload-parts.ts';
import { type FailureError, failure } from '../failures.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Tracer } from '../runtime/tracing/tracer.ts';
import { createErase, type UndeletedVersion } from './erase.ts';
import { createHeadObject, isNotFound } from './head.ts';
import { createAddress } from './http/address.ts';
import { type QuickRetry, retryQuickly } from './http/quick-retry.ts';
import { createSdk } from './http/sdk.ts';
import { createSignedHttp, type Headers } from './http/signed-request.ts';
import { createSigner } from './http/signing.ts';
import { createLinks, type Link, type LinkOptions } from './links.ts';
import { type CheckPermissions, createPermissionCheck } from './permissions.ts';
import type { StoredObject } from './stored-object.ts';
import { createMultipartUploads } from './upload/multipart.ts';
import { fileNameOf, readMetadata } from './upload/object-headers.ts';
import { createPut, type Put } from './upload/put.ts';

export interface StoreOptions extends Partial<UploadParts> {
  readonly bucket: string;
  /** Default: AWS in the region. */
  readonly endpoint?: string;
  readonly region: string;
  readonly addressing: Addressing;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Where links point, if browsers reach the store by another name. */
  readonly publicEndpoint?: string;
  /** Default: as `addressing`. */
  readonly publicAddressing?: Addressing;
  /** Stands in front of the probes' keys; the keys of objects are given with their prefix. */
  readonly prefix: string;
  /** With the authorities of S3_CA_FILE. */
  readonly secureContext?: SecureContext | undefined;
  readonly clock: Clock;
  readonly log?: Pick<Log, 'debug'>;
  readonly tracer?: Tracer;
  /** How long the store may be silent before a request fails. Default 30 s. */
  readonly idleTimeoutMs?: number;
  /** How long the body of a put may be silent before the put fails. Default 60 s. */
  readonly sourceIdleTimeoutMs?: number;
}

export interface Store {
  readonly bucket: string;
  /**
   * Uploads a body, which is read once. Resolves when the store has the whole object. When it throws, no object is
   * visible, with one exception that no client can exclude: a connection that breaks after the last byte.
   * Throws body_too_short, body_too_long, bytes_differ, a failure of ../store-failures.ts, what the source threw, or
   * the signal's reason.
   */
  readonly put: Put;
  /** Returns the bytes of memory that a put may take; `lengthBytes` is undefined where it is not known yet. */
  uploadMemoryBytes(lengthBytes: number | undefined): number;
  /**
   * Resolves with undefined where there is no such object. Throws store_refused (403) instead where the key lacks
   * `s3:ListBucket`: it is then not known whether the object exists.
   */
  head(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /**
   * Resolves with a response of status 200, 206, or 416 for a range beyond the end; with undefined where there is no
   * such object. The caller destroys a body that it does not read.
   */
  get(
    key: string,
    options: { range?: string; signal: AbortSignal },
  ): Promise<{ status: number; headers: Headers; body: Readable } | undefined>;
  /** Idempotent: an object that does not exist is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** Deletes an object with all its versions and delete markers. Resolves with the versions that could not be deleted. */
  erase(key: string, signal: AbortSignal): Promise<UndeletedVersion[]>;
  /** Idempotent: an upload that does not exist is no error. */
  abortMultipart(key: string, uploadId: string, signal: AbortSignal): Promise<void>;
  /** Resolves with a page of at most 1,000 objects in the order of their keys; `cursor` leads to the next page. */
  list(options: {
    prefix?: string;
    cursor?: string;
    /** Lists only keys after this one: a cursor that stays valid longer than the store's own. */
    startAfter?: string | undefined;
    pageSize?: number;
    signal: AbortSignal;
  }): Promise<ListPage>;
  /** Resolves with a presigned URL, which opens without credentials; see links.ts. */
  link(key: string, options: LinkOptions): Promise<Link>;
  /**
   * Sends one GET of an object that does not exist. The response proves that the address is an S3 service, the bucket
   * exists and the access key is known. `isForbidden`: the response was 403, as for a key without `s3:ListBucket`, but
   * also for one without any permission. Throws the failure of ../store-failures.ts otherwise. HEAD of the bucket would
   * prove less: some vendors always respond 200.
   */
  checkHealth(signal: AbortSignal): Promise<{ isForbidden: boolean }>;
  /** Tries each permission of the access key with a request; see permissions.ts. */
  checkPermissions: CheckPermissions;
  close(): Promise<void>;
}

export interface ListPage {
  readonly objects: readonly {
    readonly key: string;
    readonly sizeBytes: number;
    readonly modifiedAt: Date | undefined;
  }[];
  readonly cursor: string | undefined;
}

export function createStore(options: StoreOptions): Store {
  const { bucket, region, addressing, clock, log } = options;
  const { partSizeBytes = UPLOAD_PARTS.partSizeBytes, partsInFlight = UPLOAD_PARTS.partsInFlight } = options;
  const { idleTimeoutMs = 30_000, sourceIdleTimeoutMs = 60_000 } = options;
  const endpoint = options.endpoint ?? `https://s3.${region}.amazonaws.com`;
  const address = createAddress({ endpoint, bucket, addressing });
  const signer = createSigner({
    region,
    credentials: {
      accessKeyId: options.accessKeyId,
      secretAccessKey: options.secretAccessKey,
      ...(options.sessionToken ? { sessionToken: options.sessionToken } : {}),
    },
  });
  const http = createSignedHttp({
    address,
    signer,
    clock,
    idleTimeoutMs,
    secureContext: options.secureContext,
    tracer: options.tracer,
  });
  const links = createLinks({
    signer,
    address: createAddress({
      endpoint: options.publicEndpoint ?? endpoint,
      bucket,
      addressing: options.publicEndpoint ? (options.publicAddressing ?? addressing) : addressing,
    }),
  });
  const onRetry = (error: FailureError, attempt: number) =>
    log?.debug({ failure: error.failure, attempt }, 'store: request failed, retrying');
  const retry: QuickRetry = (signal, run) => retryQuickly(run, { signal, onRetry });
  const headObject = createHeadObject({ http, retry });
  const sdk = createSdk({ address, http, clock, retry }, { bucket, region });
  const multipart = createMultipartUploads({ http, sdk, address, retry, head }, { bucket, partsInFlight });
  const put = createPut(
    { http, address, retry, multipart, head },
    { partSizeBytes, partsInFlight, sourceIdleTimeoutMs },
  );

  async function head(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const { missing, headers } = await headObject(address.pathOf(key), undefined, signal);
    if (missing) return undefined;
    const { sha256, mark, ...metadata } = readMetadata(headers);
    return {
      sizeBytes: Number(headers['content-length']),
      contentType: headers['content-type'],
      fileName: fileNameOf(headers['content-disposition']),
      sha256,
      mark,
      metadata,
    };
  }

  async function deleteObject(key: string, signal: AbortSignal): Promise<void> {
    await retry(signal, async () => {
      const response = await http.send({ method: 'DELETE', path: address.pathOf(key), signal });
      if (response.status >= 300 && !isNotFound(response)) throw http.failureOf(response);
    });
  }

  return {
    bucket,
    put,
    uploadMemoryBytes: (lengthBytes) => uploadMemoryBytes(lengthBytes, { partSizeBytes, partsInFlight }),
    head,
    delete: deleteObject,
    erase: createErase({ http, sdk, address, retry, headObject }, { bucket }),
    get: (key, { range, signal }) =>
      retry(signal, async () => {
        const response = await http.stream({
          method: 'GET',
          path: address.pathOf(key),
          ...(range ? { headers: { range } } : {}),
          signal,
        });
        // A body that is destroyed unread emits 'error', which would end the process without a listener.
        response.body.on('error', () => undefined);
        if ([200, 206, 416].includes(response.status)) return response;
        const failed = await http.buffer(response, signal);
        if (isNotFound(failed)) return undefined;
        throw http.failureOf(failed);
      }),
    abortMultipart: multipart.abort,
    list: async ({ prefix, cursor, startAfter, pageSize, signal }) => {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ContinuationToken: cursor,
        StartAfter: startAfter,
        MaxKeys: pageSize,
      });
      const page = await sdk.run(signal, (client, sendOptions) => client.send(command, sendOptions));
      return {
        objects: (page.Contents ?? []).map((entry) => ({
          key: entry.Key ?? '',
          sizeBytes: entry.Size ?? 0,
          modifiedAt: entry.LastModified,
        })),
        cursor: page.IsTruncated ? page.NextContinuationToken : undefined,
      };
    },
    link: links.link,
    checkHealth: (signal) =>
      retry(signal, async () => {
        const path = address.pathOf(`${options.prefix}.probe/none`);
        const response = await http.send({ method: 'GET', path, signal });
        if (isNotFound(response)) return { isForbidden: false };
        if (response.status < 300)
          throw failure('store_not_s3', `HTTP ${response.status} for an object that does not exist`);
        const error = http.failureOf(response);
        if (error.failure.code !== 'store_refused' || response.status !== 403) throw error;
        return { isForbidden: true };
      }),
    checkPermissions: createPermissionCheck(
      { http, sdk, address, headObject },
      { bucket, prefix: options.prefix },
    ),
    close: async () => {
      await multipart.waitForCleanups();
      sdk.close();
      await http.close();
    },
  };
}
