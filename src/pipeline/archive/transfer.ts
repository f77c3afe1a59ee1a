/** From WeChat into the bucket: token → download → classify → reserve the key in the row → store with its digest. */
import type { Account } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { ReservedKey, StoredObject } from '../../catalogue/queue/outcomes.ts';
import { FailureError, failure } from '../../failures.ts';
import { objectKeyOf, type Reference } from '../../media.ts';
import { isRenderable } from '../../media-type.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ByteBudget } from '../../runtime/concurrency/byte-budget.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { ATTRIBUTES as A } from '../../runtime/tracing/attributes.ts';
import { NO_TRACER, type Tracer } from '../../runtime/tracing/tracer.ts';
import type { Store } from '../../storage/store.ts';
import type { NewObject } from '../../storage/upload/new-object.ts';
import type { Downloader, MediaBody } from '../../wechat/media/download.ts';
import type { Tokens } from '../../wechat/tokens/tokens.ts';
import { isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import { digestOf } from './digest.ts';
import { isAccessRefused } from './find-stored.ts';
import { metadataOf } from './object-metadata.ts';

export interface TransferDeps {
  tokens: Pick<Tokens, 'get' | 'reportRefused' | 'reportAccepted'>;
  downloader: Downloader;
  store: Pick<Store, 'bucket' | 'put' | 'abortMultipart' | 'uploadMemoryBytes'>;
  catalogue: {
    outcomes: Pick<Catalogue['outcomes'], 'reserve'>;
    uploads: Pick<Catalogue['uploads'], 'record' | 'clear'>;
  };
  budget: ByteBudget;
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'download' | 'store'>;
  log: Pick<Log, 'info'>;
  tracer?: Tracer;
  /** The first part of every object's key. */
  prefix: string;
}

/** Both resolve with undefined, and store nothing, where the row belongs to another generation by now or is erased. */
export interface Transfer {
  /** Stores WeChat's copy, or a picture by its link where WeChat refuses its copy for good. */
  fromWechat(job: ArchiveJob, account: Account, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** Stores the picture behind the link of the message: it needs no token and no quota, and may be re-encoded. */
  fromPicUrl(job: ArchiveJob, url: string, signal: AbortSignal): Promise<StoredObject | undefined>;
}

const UNNAMED_TYPE = { contentType: 'application/octet-stream', extension: 'bin' };

export function createTransfer(deps: TransferDeps): Transfer {
  const { catalogue, clock, metrics, store, tracer = NO_TRACER } = deps;

  /** A refused token is reported; where another one is available at once, the same attempt continues with it. */
  async function open(
    reference: Reference,
    account: Account,
    signal: AbortSignal,
    mayRetry = true,
  ): Promise<MediaBody> {
    const token = await tracer.run({ name: 'token' }, () => deps.tokens.get(account, signal));
    const stop = metrics.download.startTimer();
    try {
      const { mediaId, kind, variant } = reference;
      const body = await deps.downloader.open(
        { account, mediaId, kind, variant, token: token.value },
        signal,
      );
      stop();
      deps.tokens.reportAccepted(account);
      return body;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token') throw error;
      const { retryAfterMs } = await deps.tokens.reportRefused(account, token, signal);
      if (retryAfterMs === 0 && mayRetry) return await open(reference, account, signal, false);
      throw new FailureError(error.failure, { retryAfterMs });
    }
  }

  const fromPicUrl = (job: ArchiveJob, url: string, signal: AbortSignal) =>
    downloadAndStore(
      job,
      () => deps.downloader.openLink({ url, source: 'pic_url', kind: 'image' }, signal),
      signal,
    );

  async function fromWechat(
    job: ArchiveJob,
    account: Account,
    signal: AbortSignal,
  ): Promise<StoredObject | undefined> {
    const { reference } = job;
    try {
      return await downloadAndStore(job, () => open(reference, account, signal), signal);
    } catch (error) {
      if (!isRefused(error) || reference.kind !== 'image' || !reference.picUrl) throw error;
      try {
        return await fromPicUrl(job, reference.picUrl, signal);
      } catch (second) {
        if (signal.aborted || isCatalogueUnavailable(second)) throw second;
        deps.log.info({ err: second, id: job.id }, 'archive: picture link failed too');
        throw second instanceof FailureError && second.failure.class === 'store' ? second : error;
      }
    }
  }

  async function downloadAndStore(
    job: ArchiveJob,
    open: () => Promise<MediaBody>,
    signal: AbortSignal,
  ): Promise<StoredObject | undefined> {
    const { reference } = job;
    // The worst case before the request: the length of the body is known only with its headers.
    const reservation = await deps.budget.reserve(store.uploadMemoryBytes(undefined), signal);
    let body: MediaBody | undefined;
    try {
      body = await open();
      const lengthVerified = body.endIsProven;
      let expect: NewObject['expect'];
      if (body.lengthBytes !== undefined) {
        expect = { lengthBytes: body.lengthBytes };
        reservation.shrink(store.uploadMemoryBytes(body.lengthBytes));
      } else if (!body.endIsProven) {
        // A cut body looks like a whole one here: the item is downloaded twice, and the digests must agree.
        expect = await digestOf(body.body, signal);
        body = await open();
      }
      const type = body.sniffed ?? UNNAMED_TYPE;
      const objectKey = objectKeyOf({
        prefix: deps.prefix,
        account: reference.account,
        sentAt: reference.sentAt,
        id: job.id,
        source: body.source,
        extension: type.extension,
      });
      const attempt = { id: job.id, generation: job.generation ?? 0 };
      const reserved = await catalogue.outcomes.reserve(
        attempt,
        { bucket: store.bucket, objectKey },
        clock.now(),
      );
      if (!reserved) return undefined;
      await abortLeftUpload(job.id, reserved, signal);
      const stop = metrics.store.startTimer();
      const object: NewObject = {
        key: objectKey,
        body: body.body,
        expect,
        contentType: type.contentType,
        ...(body.fileName ? { fileName: body.fileName } : {}),
        contentDisposition: isRenderable(type.contentType) ? 'inline' : 'attachment',
        metadata: metadataOf(job.id, reference, body.source),
        onMultipart: async (uploadId) => {
          if (!(await catalogue.uploads.record(attempt, uploadId)))
            throw failure('interrupted', 'another generation took over');
        },
        signal,
      };
      const where = { [A.s3Bucket]: store.bucket, [A.s3Key]: objectKey };
      const { sizeBytes, sha256 } = await tracer.run({ name: 'upload', attributes: where }, async (span) => {
        const stored = await store.put(object);
        span.set({ [A.sizeBytes]: stored.sizeBytes });
        return stored;
      });
      stop();
      return {
        bucket: store.bucket,
        objectKey,
        sizeBytes,
        sha256,
        contentType: type.contentType,
        declaredType: body.declaredType,
        fileName: body.fileName,
        source: body.source,
        lengthVerified,
      };
    } finally {
      body?.discard();
      reservation.release();
    }
  }

  /** Of an earlier attempt. */
  async function abortLeftUpload(
    id: string,
    { leftUploadId, leftObjectKey }: ReservedKey,
    signal: AbortSignal,
  ): Promise<void> {
    if (!leftUploadId || !leftObjectKey) return;
    try {
      await store.abortMultipart(leftObjectKey, leftUploadId, signal);
    } catch (error) {
      // Without `s3:AbortMultipartUpload` the parts stay for the bucket's lifecycle rule; the item does not wait.
      if (!isAccessRefused(error)) throw error;
      deps.log.info({ err: error, id }, 'archive: no right to abort the upload of an earlier attempt');
    }
    await catalogue.uploads.clear(id, leftUploadId);
  }

  return { fromWechat, fromPicUrl };
}

/** WeChat itself refuses this item, now and later. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof FailureError)) return false;
  return error.failure.class === 'permanent_media' && error.failure.errcode !== undefined;
}
