/** The store: any S3-compatible endpoint, the embedded one included. One per process. */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Clock } from '../clock.ts';
import { type FailureError, failure } from '../failures.ts';
import type { Log } from '../log.ts';
import type { Addressing } from '../s3-presets.ts';
import { createAddress } from './address.ts';
import { createErase, type KeptVersion } from './erase.ts';
import { codeOf } from './failure.ts';
import type { Measure } from './guard.ts';
import { createLinks, type Link } from './links.ts';
import { fileNameOf, readMetadata } from './object-headers.ts';
import { createPut, type NewObject } from './put.ts';
import { quickly, type Repeat } from './quickly.ts';
import { createSdk } from './sdk.ts';
import { createSigner } from './signing.ts';
import { createWire, type Headers, sha256Of } from './wire.ts';

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
   * Throws body_too_short, body_too_long, bytes_differ, store_unavailable, store_refused, store_mismatch, disk_full,
   * what the source threw, or the signal's reason.
   */
  put(object: NewObject): Promise<Measure & { multipart: boolean }>;
  /** Undefined where there is none. */
  head(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** 200, 206, or 416 for a range beyond the end; the caller destroys a body he does not read. */
  get(
    key: string,
    options: { range?: string; signal: AbortSignal },
  ): Promise<{ status: number; headers: Headers; body: Readable }>;
  /** Gone already is as good. */
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** Removes it with all its versions and delete markers. Answers what the store does not let go of. */
  erase(key: string, signal: AbortSignal): Promise<KeptVersion[]>;
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
  /** Puts, reads back and removes a small object: HEAD of a bucket alone proves nothing (s3 vendors differ). */
  probe(signal: AbortSignal): Promise<void>;
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
  const wire = createWire({ address, signer, clock, idleTimeoutMs });
  const links = createLinks({
    signer,
    address: createAddress({
      endpoint: options.publicEndpoint ?? endpoint,
      bucket,
      addressing: options.publicEndpoint ? (options.publicAddressing ?? addressing) : addressing,
    }),
  });
  const onRepeat = (error: FailureError, attempt: number) =>
    log?.debug({ failure: error.failure, attempt }, 'the store is asked again');
  const repeat: Repeat = (signal, act) => quickly(act, { signal, onRepeat });
  const sdk = createSdk({ address, wire, clock, repeat }, { bucket, region });

  const { put, abortMultipart, settle } = createPut(
    {
      wire,
      sdk,
      address,
      repeat,
      head,
    },
    { bucket, partSizeBytes, partsInFlight, sourceIdleTimeoutMs },
  );

  async function head(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const { status, headers } = await repeat(signal, async () => {
      const answer = await wire.call({ method: 'HEAD', path: address.pathOf(key), signal });
      if (answer.status !== 200 && answer.status !== 404) throw wire.refuse(answer);
      return answer;
    });
    if (status === 404) return undefined;
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

  async function remove(key: string, signal: AbortSignal): Promise<void> {
    await repeat(signal, async () => {
      const answer = await wire.call({ method: 'DELETE', path: address.pathOf(key), signal });
      if (answer.status === 404 && codeOf(answer.body.toString('utf8')) !== 'NoSuchBucket') return;
      if (answer.status >= 300) throw wire.refuse(answer);
    });
  }

  return {
    bucket,
    put,
    head,
    remove,
    erase: createErase({ wire, sdk, address, repeat }, { bucket }),
    get: (key, { range, signal }) =>
      repeat(signal, async () => {
        const answer = await wire.open({
          method: 'GET',
          path: address.pathOf(key),
          ...(range ? { headers: { range } } : {}),
          signal,
        });
        // A body that is destroyed unread says so as an 'error', which would end the process; readers hear it too.
        answer.body.on('error', () => undefined);
        if ([200, 206, 416].includes(answer.status)) return answer;
        answer.body.destroy();
        throw wire.refuse({ status: answer.status, headers: answer.headers });
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
      const page = await sdk.ask(signal, (client, how) => client.send(command, how));
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
    probe: async (signal) => {
      const key = `${options.prefix}.probe/${randomUUID()}`;
      const body = Buffer.from('wechat-media-archiver was here to see whether it may write.\n');
      await put({
        key,
        body: (async function* () {
          yield body;
        })(),
        contentType: 'text/plain',
        disposition: 'attachment',
        metadata: {},
        expect: { sha256: sha256Of(body), sizeBytes: body.byteLength },
        signal,
      });
      const stored = await head(key, signal).finally(() => remove(key, signal));
      if (stored?.sizeBytes !== body.byteLength)
        throw failure('store_mismatch', `HEAD after PUT says ${stored?.sizeBytes ?? 'nothing is there'}`);
    },
    close: async () => {
      await settle();
      sdk.close();
      await wire.close();
    },
  };
}
