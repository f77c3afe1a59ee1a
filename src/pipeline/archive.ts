/**
 * What the program is for, top to bottom: token → download → first bytes decide → measure → store → catalogue.
 * A handler for the queue's consumer; what it answers is the only thing the queue learns.
 */
import type { Account, Accounts } from '../account.ts';
import type { ByteBudget } from '../byte-budget.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { DatabaseAwayError } from '../catalogue/database.ts';
import type { Stored, Try } from '../catalogue/outcomes.ts';
import type { Clock } from '../clock.ts';
import { FailureError, failure } from '../failures.ts';
import type { Log } from '../log.ts';
import { objectKeyOf, type Reference } from '../media.ts';
import { isRenderable } from '../media-type.ts';
import type { Metrics } from '../metrics.ts';
import type { ArchiveJob, Disposition } from '../queue/consumer.ts';
import type { NewObject } from '../storage/put.ts';
import type { Store } from '../storage/store.ts';
import { worstCaseBytes } from '../storage/worst-case.ts';
import type { Downloader, MediaBody } from '../wechat/download.ts';
import type { Tokens } from '../wechat/tokens.ts';
import { type Accept, OverloadedError } from './accept.ts';
import type { Gate } from './gate.ts';
import type { Admission, Holds } from './holds.ts';
import { digestOf } from './measure.ts';
import { metadataOf } from './object-metadata.ts';
import { type Settle, SUPERSEDED } from './settle.ts';
import { removeSuperseded, type SupersededDeps } from './superseded.ts';

export interface ArchiverDeps {
  accounts: Pick<Accounts, 'find'>;
  tokens: Pick<Tokens, 'get' | 'reportBad' | 'reportGood'>;
  downloader: Downloader;
  store: Pick<Store, 'bucket' | 'put' | 'remove' | 'abortMultipart'>;
  catalogue: SupersededDeps['catalogue'] &
    Pick<Catalogue, 'ping' | 'reserve' | 'recordUpload' | 'forgetUpload' | 'archived' | 'failed'>;
  budget: ByteBudget;
  gate: Gate;
  holds: Pick<Holds, 'admit' | 'forget'>;
  accept: Accept;
  settle: Settle;
  clock: Pick<Clock, 'now'>;
  metrics: Pick<
    Metrics,
    'archived' | 'archivedBytes' | 'timeToArchive' | 'expirySlack' | 'download' | 'store'
  >;
  log: Pick<Log, 'info' | 'warn'>;
  /** In front of every object's key. */
  prefix: string;
  lifetimeMs: number;
  /** In real milliseconds: how soon a link that did not help a picture of a held account is tried again. */
  pictureRetryMs: number;
}

/** How long a media waits on its worker slot for a place of its account before it goes back into the queue. */
const PATIENCE_MS = 250;
const PUT_BACK_MS = 500;
/** How soon a media comes back that could not be recorded. */
const CATALOGUE_AWAY_MS = 2_000;
const UNNAMED_TYPE = { contentType: 'application/octet-stream', extension: 'bin' };

export function createArchiver(deps: ArchiverDeps) {
  const { catalogue, clock, metrics, store } = deps;
  /** What was to be recorded last could not be. */
  let isAway = false;

  /** A job of a foreign producer, or one whose row is gone: it gets its row, and the feeder its work. */
  async function adopt(reference: Reference): Promise<Disposition> {
    const [known] = await deps.accept([{ ...reference, sentAt: reference.sentAt.toISOString() }]);
    return { do: 'finish', result: 'accepted', ...(known?.status === 'erased' ? { forget: true } : {}) };
  }

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
      deps.tokens.reportGood(account);
      return body;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token') throw error;
      const { retryAfterMs } = await deps.tokens.reportBad(account, token, signal);
      if (retryAfterMs === 0 && again) return await open(reference, account, signal, false);
      throw new FailureError(error.failure, { retryAfterMs });
    }
  }

  /** The picture behind the link that came with the message: no token, no quota; perhaps a rendition. */
  const openPicture = (url: string) => (signal: AbortSignal) =>
    deps.downloader.openLink({ url, source: 'pic_url', kind: 'image' }, signal);

  /** WeChat's own copy; the link where it says for good that there is none to be had. */
  async function fetchEitherWay(job: ArchiveJob, account: Account, signal: AbortSignal) {
    const { reference } = job;
    try {
      return await fetchAndStore(job, (within) => open(reference, account, within), signal);
    } catch (error) {
      if (!isRefused(error) || reference.kind !== 'image' || !reference.picUrl) throw error;
      try {
        return await fetchAndStore(job, openPicture(reference.picUrl), signal);
      } catch (second) {
        if (signal.aborted || isOurs(second)) throw second;
        deps.log.info({ err: second, id: job.id }, 'the link of a picture did not help');
        throw second instanceof FailureError && second.failure.class === 'store' ? second : error;
      }
    }
  }

  /** Undefined: the row belongs to another round by now, or is erased; nothing was stored. */
  async function fetchAndStore(
    job: ArchiveJob,
    open: (signal: AbortSignal) => Promise<MediaBody>,
    signal: AbortSignal,
  ): Promise<Stored | undefined> {
    const { reference } = job;
    // Before the request, because what a body will need is known only when it is on its way.
    const reservation = await deps.budget.reserve(worstCaseBytes(undefined), signal);
    let body: MediaBody | undefined;
    try {
      body = await open(signal);
      const lengthVerified = body.endIsProven;
      let expect: NewObject['expect'];
      if (body.lengthBytes !== undefined) {
        expect = { lengthBytes: body.lengthBytes };
        reservation.shrink(worstCaseBytes(body.lengthBytes));
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
      const guard = { id: job.id, round: job.round ?? 0 };
      const reserved = await catalogue.reserve(guard, { bucket: store.bucket, objectKey }, clock.now());
      if (!reserved) return undefined;
      if (reserved.leftUploadId && reserved.leftObjectKey) {
        await store.abortMultipart(reserved.leftObjectKey, reserved.leftUploadId, signal);
        await catalogue.forgetUpload(job.id, reserved.leftUploadId);
      }
      const stop = metrics.store.startTimer();
      const { sizeBytes, sha256 } = await store.put({
        key: objectKey,
        body: body.body,
        expect,
        contentType: type.contentType,
        ...(body.fileName ? { fileName: body.fileName } : {}),
        disposition: isRenderable(type.contentType) ? 'inline' : 'attachment',
        metadata: metadataOf(job.id, reference, body.source),
        onMultipart: async (uploadId) => {
          if (!(await catalogue.recordUpload(guard, uploadId)))
            throw failure('interrupted', 'another round took over');
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

  async function complete(
    of: Try,
    reference: Reference,
    stored: Stored,
    signal: AbortSignal,
  ): Promise<Disposition> {
    if (await catalogue.archived({ ...of, account: reference.account }, stored)) {
      metrics.archived.inc();
      metrics.archivedBytes.inc(stored.sizeBytes);
      metrics.expirySlack.observe(
        Math.max(0, (reference.sentAt.getTime() + deps.lifetimeMs - of.endedAt.getTime()) / 1000),
      );
      metrics.timeToArchive.observe(Math.max(0, (of.endedAt.getTime() - reference.sentAt.getTime()) / 1000));
      deps.log.info({ id: of.id, key: stored.objectKey, bytes: stored.sizeBytes }, 'archived');
      return { do: 'finish', result: 'archived' };
    }
    await removeSuperseded(deps, of.id, { bucket: stored.bucket, key: stored.objectKey }, signal);
    return SUPERSEDED;
  }

  async function archive(job: ArchiveJob, signal: AbortSignal): Promise<Disposition> {
    const account = deps.accounts.find(job.reference.account);
    if (!account) {
      const unknown = failure('account_unknown');
      // No row to wait in: whoever sent it has to hear of it.
      if (job.round === undefined) return { do: 'giveUp', failure: unknown.failure };
      return deps.settle(job, clock.now(), unknown);
    }
    if (job.round === undefined) return await adopt(job.reference);
    const leave = await deps.gate.enter(account.account, account.concurrency, PATIENCE_MS, signal);
    if (!leave) return { do: 'putBack', delayMs: PUT_BACK_MS };
    try {
      // WeChat counts every call against a daily quota: none is made whose outcome could not be kept.
      if (isAway) await catalogue.ping();
      isAway = false;
      const given = { ...job, round: job.round };
      const admission = await deps.holds.admit(given);
      if (admission.to === 'later') return { do: 'finish', result: 'later' };
      return await attempt(given, admission, signal);
    } catch (error) {
      // Before the place is left: whoever waits for it has to know.
      return putBack(error, signal);
    } finally {
      leave();
    }
  }

  async function attempt(
    job: ArchiveJob & { round: number },
    admission: Exclude<Admission, { to: 'later' }>,
    signal: AbortSignal,
  ): Promise<Disposition> {
    const { reference } = job;
    const startedAt = clock.now();
    const tried = () => ({ id: job.id, round: job.round, startedAt, endedAt: clock.now() });
    try {
      const stored =
        admission.to === 'picture'
          ? await fetchAndStore(job, openPicture(reference.picUrl!), signal)
          : // Found again: what an admission read may have changed its secret.
            await fetchEitherWay(job, deps.accounts.find(reference.account)!, signal);
      if (!stored) {
        return (await catalogue.get(job.id)) ? SUPERSEDED : await adopt(reference);
      }
      const disposition = await complete(tried(), reference, stored, signal);
      if (admission.to === 'go' && admission.isProbe) deps.holds.forget();
      return disposition;
    } catch (error) {
      // Shutdown or a lost lock: the media goes back as it was; the consumer knows what to do.
      if (signal.aborted || isOurs(error)) throw error;
      const isStore = error instanceof FailureError && error.failure.class === 'store';
      if (admission.to === 'go' || isStore) return await deps.settle(job, startedAt, error);
      // What holds the account is why the media waits, whatever is wrong with the link.
      deps.log.info({ err: error, id: job.id }, 'the link of a picture did not help');
      const why = admission.hold.why ?? failure('account_unknown').failure;
      const at = new Date(clock.now().getTime() + deps.pictureRetryMs);
      await catalogue.failed(tried(), why, { to: 'later', at, reason: 'accountHeld' }, false);
      return { do: 'finish', result: 'later' };
    }
  }

  /** An error of ours is not the media's fault: no try is spent, however long it takes. Throws all others. */
  function putBack(error: unknown, signal: AbortSignal): Disposition {
    if (signal.aborted || !isOurs(error)) throw error;
    if (!isAway) deps.log.warn({ err: error }, 'outcomes cannot be kept; media go back into the queue');
    isAway = true;
    return { do: 'putBack', delayMs: CATALOGUE_AWAY_MS };
  }

  return (job: ArchiveJob, signal: AbortSignal): Promise<Disposition> =>
    archive(job, signal).catch((error) => putBack(error, signal));
}

/** The catalogue is away or has no room for more: says nothing about the media. */
function isOurs(error: unknown): boolean {
  return error instanceof DatabaseAwayError || error instanceof OverloadedError;
}

/** WeChat's own word that it will not give this media, now or later. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof FailureError)) return false;
  return error.failure.class === 'permanent_media' && error.failure.errcode !== undefined;
}
