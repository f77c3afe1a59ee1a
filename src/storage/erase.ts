/**
 * Deletes an object for good: every version of it and every delete marker. A plain DELETE in a bucket with versions only
 * hides the bytes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
 */
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { FailureError, failure } from '../failures.ts';
import { type HeadObject, isNotFound } from './head.ts';
import type { Address } from './http/address.ts';
import type { QuickRetry } from './http/quick-retry.ts';
import type { Sdk } from './http/sdk.ts';
import type { Headers, SignedHttp } from './http/signed-request.ts';

/** A version that the store refuses to delete. */
export interface UndeletedVersion {
  /** Absent where the store has no versions or does not list them. */
  readonly versionId?: string;
  /** `locked`: by retention or a legal hold; `refused`: for another reason. */
  readonly why: 'locked' | 'refused';
  /** The end of its retention, where the store gives it. */
  readonly until?: Date;
  readonly legalHold?: true;
  /** The store's response: `HTTP 403 AccessDenied`. */
  readonly detail: string;
}

/** Of 1,000 versions of one key each. A bound, in case a listing never ends. */
const MAX_PAGES = 100;

export function createErase(
  deps: { http: SignedHttp; sdk: Sdk; address: Address; retry: QuickRetry; headObject: HeadObject },
  { bucket }: { bucket: string },
): (key: string, signal: AbortSignal) => Promise<UndeletedVersion[]> {
  const { http, sdk, address, retry, headObject } = deps;

  /** Resolves with undefined where the store does not list versions, or the access key may not list them. */
  async function listVersions(key: string, signal: AbortSignal): Promise<string[] | undefined> {
    const versionIds: string[] = [];
    let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
    for (let page = 0; page < MAX_PAGES; page++) {
      const command = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...from });
      const listed = await sdk
        .run(signal, (client, sendOptions) => client.send(command, sendOptions))
        .catch((error) => {
          if (isRefusal(error)) return undefined;
          throw error;
        });
      if (!listed) return undefined;
      const entries = [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])];
      for (const entry of entries) if (entry.Key === key && entry.VersionId) versionIds.push(entry.VersionId);
      // Keys are listed in order, and the prefix itself is the first: any other key ends the list.
      if (!listed.IsTruncated || listed.NextKeyMarker !== key) return versionIds;
      from = { KeyMarker: listed.NextKeyMarker, VersionIdMarker: listed.NextVersionIdMarker };
    }
    throw failure('store_unavailable', `more than ${MAX_PAGES} pages of versions`);
  }

  /** Resolves with the response's headers. Idempotent. Throws the failure of a refusal. */
  const deleteVersion = (key: string, versionId: string | undefined, signal: AbortSignal): Promise<Headers> =>
    retry(signal, async () => {
      const path = address.pathOf(key);
      const query = versionId === undefined ? {} : { query: { versionId } };
      const response = await http.send({ method: 'DELETE', path, ...query, signal });
      if (response.status >= 300 && !isNotFound(response)) throw http.failureOf(response);
      return response.headers;
    });

  /** HEAD; where the access key may not read the object, `missing` is false and there are no headers. */
  const headIfAllowed = (key: string, versionId: string | undefined, signal: AbortSignal) =>
    headObject(address.pathOf(key), versionId === undefined ? undefined : { versionId }, signal).catch(
      (error) => {
        if (isRefusal(error)) return { missing: false, headers: {} as Headers };
        throw error;
      },
    );

  /** Reads from the version's headers whether it is locked. */
  async function describeUndeleted(
    key: string,
    versionId: string | undefined,
    error: FailureError,
    signal: AbortSignal,
  ): Promise<UndeletedVersion> {
    const { headers } = await headIfAllowed(key, versionId, signal);
    const until = new Date(headers['x-amz-object-lock-retain-until-date'] ?? Number.NaN);
    const hasLegalHold = headers['x-amz-object-lock-legal-hold'] === 'ON';
    const isRetained = !Number.isNaN(until.getTime());
    return {
      ...(versionId === undefined ? {} : { versionId }),
      why: hasLegalHold || isRetained ? 'locked' : 'refused',
      ...(isRetained ? { until } : {}),
      ...(hasLegalHold ? { legalHold: true } : {}),
      detail: error.failure.detail ?? '',
    };
  }

  async function tryDelete(key: string, versionId: string | undefined, signal: AbortSignal) {
    try {
      return { headers: await deleteVersion(key, versionId, signal) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { undeleted: await describeUndeleted(key, versionId, error, signal) };
    }
  }

  async function deleteAll(key: string, versionIds: readonly string[], signal: AbortSignal) {
    const undeleted: UndeletedVersion[] = [];
    for (const versionId of versionIds) {
      const result = await tryDelete(key, versionId, signal);
      if (result.undeleted) undeleted.push(result.undeleted);
    }
    return undeleted;
  }

  return async (key, signal) => {
    const versionIds = await listVersions(key, signal);
    const undeleted = await deleteAll(key, versionIds ?? [], signal);
    if (undeleted.length > 0) return undeleted;
    // Some stores respond to the list of versions with an empty or an unrelated document: HEAD shows what is left.
    const head = await headIfAllowed(key, undefined, signal);
    if (head.missing && (versionIds || !isVersioned(head.headers))) return [];
    const deleted = head.missing ? { headers: head.headers } : await tryDelete(key, undefined, signal);
    if (deleted.undeleted) return [deleted.undeleted];
    if (!isVersioned(deleted.headers) && !isVersioned(head.headers)) return [];
    // The DELETE only hid the object. A version that was added since the first list is deleted now; a still later one is
    // left to the next call.
    if (versionIds) return await deleteAll(key, (await listVersions(key, signal)) ?? [], signal);
    return [
      { why: 'refused', detail: 'the bucket keeps versions and does not list them (s3:ListBucketVersions)' },
    ];
  };
}

/** A bucket with versions gives every object an id; the id is `null` for objects older than the versioning. */
function isVersioned(headers: Headers): boolean {
  const id = headers['x-amz-version-id'];
  return headers['x-amz-delete-marker'] === 'true' || (id !== undefined && id !== 'null');
}

/** The store refused the request. Other failures, such as a timeout, are temporary. */
const isRefusal = (error: unknown): error is FailureError =>
  error instanceof FailureError && error.failure.code === 'store_refused';
