/**
 * Removing an object for good: every version of it and every delete marker. A plain DELETE in a bucket with versions
 * only hides the bytes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
 */
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { FailureError, failure } from '../failures.ts';
import { type HeadObject, isNotFound } from './head.ts';
import type { Address } from './http/address.ts';
import type { QuickRetry } from './http/quick-retry.ts';
import type { Sdk } from './http/sdk.ts';
import type { Headers, SignedHttp } from './http/signed-request.ts';

/** A version that the store does not let go of. */
export interface UndeletedVersion {
  /** Absent: the store knows no versions, or does not list them. */
  readonly versionId?: string;
  /** `locked` by retention or a legal hold; `refused` for a reason of the store's. */
  readonly why: 'locked' | 'refused';
  /** Where the store tells: when its retention ends. */
  readonly until?: Date;
  readonly legalHold?: true;
  /** What the store said: `HTTP 403 AccessDenied`. */
  readonly detail: string;
}

/** Pages of 1,000 versions of one key: more than anybody makes, and a listing that never ends ends. */
const MAX_PAGES = 100;

export function createErase(
  deps: { wire: SignedHttp; sdk: Sdk; address: Address; repeat: QuickRetry; look: HeadObject },
  { bucket }: { bucket: string },
): (key: string, signal: AbortSignal) => Promise<UndeletedVersion[]> {
  const { wire, sdk, address, repeat, look } = deps;

  /** Undefined where the store does not list versions, or this key's rights do not reach that far. */
  async function listVersions(key: string, signal: AbortSignal): Promise<string[] | undefined> {
    const found: string[] = [];
    let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
    for (let page = 0; page < MAX_PAGES; page++) {
      const command = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...from });
      const answer = await sdk
        .run(signal, (client, how) => client.send(command, how))
        .catch((error) => {
          if (isRefusal(error)) return undefined;
          throw error;
        });
      if (!answer) return undefined;
      const entries = [...(answer.Versions ?? []), ...(answer.DeleteMarkers ?? [])];
      for (const entry of entries) if (entry.Key === key && entry.VersionId) found.push(entry.VersionId);
      // In the order of the keys, and the shortest comes first: another one ends it.
      if (!answer.IsTruncated || answer.NextKeyMarker !== key) return found;
      from = { KeyMarker: answer.NextKeyMarker, VersionIdMarker: answer.NextVersionIdMarker };
    }
    throw failure('store_unavailable', 'a list of versions without end');
  }

  /** The answer's headers; throws the refusal. Gone already is as good. */
  const deleteVersion = (key: string, versionId: string | undefined, signal: AbortSignal): Promise<Headers> =>
    repeat(signal, async () => {
      const path = address.pathOf(key);
      const query = versionId === undefined ? {} : { query: { versionId } };
      const answer = await wire.send({ method: 'DELETE', path, ...query, signal });
      if (answer.status >= 300 && !isNotFound(answer)) throw wire.failureOf(answer);
      return answer.headers;
    });

  /** Empty where the key may not read them. */
  const headersOf = async (key: string, versionId: string | undefined, signal: AbortSignal) => {
    const query = versionId === undefined ? undefined : { versionId };
    const seen = await look(address.pathOf(key), query, signal).catch((error) => {
      if (isRefusal(error)) return { headers: {} as Headers };
      throw error;
    });
    return seen.headers;
  };

  /** Why a version stays, in the words of its lock where it has one. */
  async function describeUndeleted(
    key: string,
    versionId: string | undefined,
    error: FailureError,
    signal: AbortSignal,
  ): Promise<UndeletedVersion> {
    const headers = await headersOf(key, versionId, signal);
    const until = new Date(headers['x-amz-object-lock-retain-until-date'] ?? Number.NaN);
    const isHeld = headers['x-amz-object-lock-legal-hold'] === 'ON';
    const isKept = !Number.isNaN(until.getTime());
    return {
      ...(versionId === undefined ? {} : { versionId }),
      why: isHeld || isKept ? 'locked' : 'refused',
      ...(isKept ? { until } : {}),
      ...(isHeld ? { legalHold: true } : {}),
      detail: error.failure.detail ?? '',
    };
  }

  async function tryDelete(key: string, versionId: string | undefined, signal: AbortSignal) {
    try {
      return { headers: await deleteVersion(key, versionId, signal) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { kept: await describeUndeleted(key, versionId, error, signal) };
    }
  }

  return async (key, signal) => {
    const versions = await listVersions(key, signal);
    const kept: UndeletedVersion[] = [];
    for (const versionId of versions ?? []) {
      const removed = await tryDelete(key, versionId, signal);
      if (removed.kept) kept.push(removed.kept);
    }
    if (kept.length > 0) return kept;
    // Some stores answer the list of versions with something else, or with nothing: the object itself is asked too.
    const path = address.pathOf(key);
    // Without `s3:ListBucket` a refusal: then it is removed whether it is there or not.
    const seen = await look(path, undefined, signal).catch((error) => {
      if (isRefusal(error)) return { missing: false, headers: {} as Headers };
      throw error;
    });
    if (seen.missing && (versions || !isVersioned(seen.headers))) return [];
    const hidden = seen.missing ? { headers: seen.headers } : await tryDelete(key, undefined, signal);
    if (hidden.kept) return [hidden.kept];
    // Hidden is not gone.
    if (!isVersioned(hidden.headers) && !isVersioned(seen.headers)) return [];
    if (versions) return await deleteNewVersions(key, signal);
    return [
      { why: 'refused', detail: 'the bucket keeps versions and does not list them (s3:ListBucketVersions)' },
    ];
  };

  /** A version that came while the others went. What comes after it, the next call removes. */
  async function deleteNewVersions(key: string, signal: AbortSignal): Promise<UndeletedVersion[]> {
    const kept: UndeletedVersion[] = [];
    for (const versionId of (await listVersions(key, signal)) ?? []) {
      const removed = await tryDelete(key, versionId, signal);
      if (removed.kept) kept.push(removed.kept);
    }
    return kept;
  }
}

/** A bucket with versions gives every object an id, and `null` to those from before it had any. */
function isVersioned(headers: Headers): boolean {
  const id = headers['x-amz-version-id'];
  return headers['x-amz-delete-marker'] === 'true' || (id !== undefined && id !== 'null');
}

/** The store's no. Silence and overload are something else: they pass. */
const isRefusal = (error: unknown): error is FailureError =>
  error instanceof FailureError && error.failure.code === 'store_refused';
