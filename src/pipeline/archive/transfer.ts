/** From WeChat into the bucket: token → download → first bytes decide → measure → store. The row is told its key first. */
import type { Account } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { StoredObject } from '../../catalogue/queue/outcomes.ts';
import { FailureError, failure } from '../../failures.ts';
import { objectKeyOf, type Reference } from '../../media.ts';
import { isRenderable } from '../../media-type.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ByteBudget } from '../../runtime/concurrency/byte-budget.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
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
  /** In front of every object's key. */
  prefix: string;
}

/** Undefined: the row belongs to another generation by now, or is erased; nothing was stored. */
export interface Transfer {
  /** WeChat's own copy; a picture's link where WeChat says for good that there is none to be had. */
  fromWechat(job: ArchiveJob, account: Account, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** The picture behind the link that came with the message: no token, no quota; perhaps a rendition. */
  fromPicUrl(job: ArchiveJob, url: string, signal: AbortSignal): Promise<StoredObject | undefined>;
}

const UNNAMED_TYPE = { contentType: 'application/octet-stream', extension: 'bin' };

export function createTransfer(deps: TransferDeps): Transfer {
  const { catalogue, clock, metrics, store } = deps;

  /** A refused token is replaced; where another one is there at once, the same try goes on with it. */
  async function open(
    reference: Reference,
    account: Account,
    signal: AbortSignal,
    again = true,
  ): Promise<MediaBody> {
    const token = await deps.tokens.get(account, signal);
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
      if (retryAfterMs === 0 && again) return await open(reference, account, signal, false);
      throw new FailureError(error.failure, { retryAfterMs });
    }
  }

  const picture = (job: ArchiveJob, url: string, signal: AbortSignal) =>
    downloadAndStore(
      job,
      (within) => deps.downloader.openLink({ url, source: 'pic_url', kind: 'image' }, within),
      signal,
    );

  async function either(
    job: ArchiveJob,
    account: Account,
    signal: AbortSignal,
  ): Promise<StoredObject | undefined> {
    const { reference } = job;
    try {
      return await downloadAndStore(job, (within) => open(reference, account, within), signal);
    } catch (error) {
      if (!isRefused(error) || reference.kind !== 'image' || !reference.picUrl) throw error;
      try {
        return await picture(job, reference.picUrl, signal);
      } catch (second) {
        if (signal.aborted || isCatalogueUnavailable(second)) throw second;
        deps.log.info({ err: second, id: job.id }, 'the link of a picture did not help');
        throw second instanceof FailureError && second.failure.class === 'store' ? second : error;
      }
    }
  }

  async function downloadAndStore(
    job: ArchiveJob,
    open: (signal: AbortSignal) => Promise<MediaBody>,
    signal: AbortSignal,
  ): Promise<StoredObject | undefined> {
    const { reference } = job;
    // Before the request, because what a body will need is known only when it is on its way.
    const reservation = await deps.budget.reserve(store.uploadMemoryBytes(undefined), signal);
    let body: MediaBody | undefined;
    try {
      body = await open(signal);
      const lengthVerified = body.endIsProven;
      let expect: NewObject['expect'];
      if (body.lengthBytes !== undefined) {
        expect = { lengthBytes: body.lengthBytes };
        reservation.shrink(store.uploadMemoryBytes(body.lengthBytes));
      } else if (!body.endIsProven) {
        // A body cut there cannot be told from a whole one: fetch twice, the digests must agree.
        expect = await digestOf(body.body, signal);
        body = await open(signal);
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
      const guard = { id: job.id, generation: job.generation ?? 0 };
      const reserved = await catalogue.outcomes.reserve(
        guard,
        { bucket: store.bucket, objectKey },
        clock.now(),
      );
      if (!reserved) return undefined;
      if (reserved.leftUploadId && reserved.leftObjectKey) {
        try {
          await store.abortMultipart(reserved.leftObjectKey, reserved.leftUploadId, signal);
        } catch (error) {
          // Without `s3:AbortMultipartUpload` the parts stay for the bucket's lifecycle rule; the file does not wait.
          if (!isAccessRefused(error)) throw error;
          deps.log.info({ err: error, id: job.id }, 'the upload of an earlier try cannot be aborted');
        }
        await catalogue.uploads.clear(job.id, reserved.leftUploadId);
      }
      const stop = metrics.store.startTimer();
      const { sizeBytes, sha256 } = await store.put({
        key: objectKey,
        body: body.body,
        expect,
        contentType: type.contentType,
        ...(body.fileName ? { fileName: body.fileName } : {}),
        contentDisposition: isRenderable(type.contentType) ? 'inline' : 'attachment',
        metadata: metadataOf(job.id, reference, body.source),
        onMultipart: async (uploadId) => {
          if (!(await catalogue.uploads.record(guard, uploadId)))
            throw failure('interrupted', 'another generation took over');
        },
        signal,
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

  return { fromWechat: either, fromPicUrl: picture };
}

/** WeChat's own word that it will not give this media, now or later. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof FailureError)) return false;
  return error.failure.class === 'permanent_media' && error.failure.errcode !== undefined;
}
