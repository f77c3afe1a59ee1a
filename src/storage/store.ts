/** The store: any S3-compatible endpoint, the embedded one included. One per process. */
import type { Readable } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Addressing } from '../config/s3-presets.ts';
import { type FailureError, failure } from '../failures.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createErase, type UndeletedVersion } from './erase.ts';
import { createHeadObject, isNotFound } from './head.ts';
import { createAddress } from './http/address.ts';
import { type QuickRetry, retryQuickly } from './http/quick-retry.ts';
import { createSdk } from './http/sdk.ts';
import { createSignedHttp, type Headers } from './http/signed-request.ts';
import { createSigner } from './http/signing.ts';
import { createLinks, type Link } from './links.ts';
import { type CheckPermissions, createPermissionCheck } from './permissions.ts';
import { fileNameOf, readMetadata } from './upload/object-headers.ts';
import { createPut, type NewObject } from './upload/put.ts';
import type { Digest } from './upload/verified-body.ts';

export interface StoreOptions {
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
  /** In front of the probe's key; objects' keys come with theirs. */
  readonly prefix: string;
  /** With the authorities of S3_CA_FILE. */
  readonly secureContext?: SecureContext | undefined;
  readonly clock: Clock;
  readonly log?: Pick<Log, 'debug'>;
  /** Silence of the store that ends a request. */
  readonly idleTimeoutMs?: number;
  /** Silence of a body being put that ends it. */
  readonly sourceIdleTimeoutMs?: number;
  /** Up to this a body of known length is one PUT; above, it is this much a part. */
  readonly partSizeBytes?: number;
  readonly partsInFlight?: number;
}

export interface StoredObject {
  readonly sizeBytes: number;
  readonly contentType: string | undefined;
  readonly fileName: string | undefined;
  /** As recorded when it was put in one piece; the store proved it then. */
  readonly sha256: string | undefined;
  /** Of the one upload in parts that it came by. */
  readonly mark: string | undefined;
  /** The other wma-* metadata, decoded, under lower-case names. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Store {
  readonly bucket: string;
  /**
   * Puts a body, which is read once. Resolves when the store holds the whole of it; whatever is thrown, nothing of
   * it is visible, with one exception no client can exclude: a connection that breaks after the last byte.
   * Throws body_too_short, body_too_long, bytes_differ, a failure of ../store-failures.ts, what the source threw, or
   * the signal's reason.
   */
  put(object: NewObject): Promise<Digest & { multipart: boolean }>;
  /** Undefined where there is none. Where the key lacks `s3:ListBucket` that is refused with 403: it is not known. */
  head(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /**
   * 200, 206, or 416 for a range beyond the end; the caller destroys a body he does not read. Undefined where there is
   * no such object.
   */
  get(
    key: string,
    options: { range?: string; signal: AbortSignal },
  ): Promise<{ status: number; headers: Headers; body: Readable } | undefined>;
  /** Gone already is as good. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** Removes it with all its versions and delete markers. Answers what the store does not let go of. */
  erase(key: string, signal: AbortSignal): Promise<UndeletedVersion[]>;
  /** Gone already is as good. */
  abortMultipart(key: string, uploadId: string, signal: AbortSignal): Promise<void>;
  /** A page of at most 1,000 objects in the order of their keys; `cursor` leads to the next. */
  list(options: {
    prefix?: string;
    cursor?: string;
    /** Only keys behind this one: a cursor that outlives the store's own. */
    startAfter?: string | undefined;
    pageSize?: number;
    signal: AbortSignal;
  }): Promise<ListPage>;
  /** A link anybody can open; see links.ts. */
  link(key: string, options: { now: Date; ttlMs: number }): Promise<Link>;
  /**
   * One GET of an object that nobody has put: the address is an S3 service, the bucket exists and the key is known.
   * `isRefused`: answered 403, which a key without `s3:ListBucket` is, and one without any right as well. Throws what
   * is wrong, in a code of its own (../store-failures.ts). HEAD of a bucket proves less: some vendors always answer 200.
   */
  checkHealth(signal: AbortSignal): Promise<{ isRefused: boolean }>;
  /** What the key may do, each tried for real; see rights.ts. */
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

const MIB = 1024 * 1024;

export function createStore(options: StoreOptions): Store {
  const { bucket, region, addressing, clock, log } = options;
  const { partSizeBytes = 8 * MIB, partsInFlight = 2 } = options;
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
    log?.debug({ failure: error.failure, attempt }, 'the store is asked again');
  const retry: QuickRetry = (signal, act) => retryQuickly(act, { signal, onRetry });
  const headObject = createHeadObject({ wire: http, repeat: retry });
  const sdk = createSdk({ address, wire: http, clock, repeat: retry }, { bucket, region });

  const {
    put,
    abortMultipart,
    waitForCleanups: settle,
  } = createPut(
    {
      wire: http,
      sdk,
      address,
      repeat: retry,
      head,
    },
    { bucket, partSizeBytes, partsInFlight, sourceIdleTimeoutMs },
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
      const answer = await http.send({ method: 'DELETE', path: address.pathOf(key), signal });
      if (answer.status >= 300 && !isNotFound(answer)) throw http.failureOf(answer);
    });
  }

  return {
    bucket,
    put,
    head,
    delete: deleteObject,
    erase: createErase({ wire: http, sdk, address, repeat: retry, look: headObject }, { bucket }),
    get: (key, { range, signal }) =>
      retry(signal, async () => {
        const answer = await http.stream({
          method: 'GET',
          path: address.pathOf(key),
          ...(range ? { headers: { range } } : {}),
          signal,
        });
        // A body that is destroyed unread says so as an 'error', which would end the process; readers hear it too.
        answer.body.on('error', () => undefined);
        if ([200, 206, 416].includes(answer.status)) return answer;
        const refused = await http.buffer(answer, signal);
        if (isNotFound(refused)) return undefined;
        throw http.failureOf(refused);
      }),
    abortMultipart,
    list: async ({ prefix, cursor, startAfter, pageSize, signal }) => {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ContinuationToken: cursor,
        StartAfter: startAfter,
        MaxKeys: pageSize,
      });
      const page = await sdk.run(signal, (client, how) => client.send(command, how));
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
        const answer = await http.send({ method: 'GET', path, signal });
        if (isNotFound(answer)) return { isRefused: false };
        if (answer.status < 300)
          throw failure('store_not_s3', `HTTP ${answer.status} for an object that nobody has put`);
        const refused = http.failureOf(answer);
        if (refused.failure.code !== 'store_refused' || answer.status !== 403) throw refused;
        return { isRefused: true };
      }),
    checkPermissions: createPermissionCheck(
      { wire: http, sdk, address, look: headObject },
      { bucket, prefix: options.prefix },
    ),
    close: async () => {
      await settle();
      sdk.close();
      await http.close();
    },
  };
}
