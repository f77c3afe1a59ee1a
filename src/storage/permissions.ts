/** What the access key may do, each action tried for real on a small object under the probes' prefix. */
import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import { FailureError } from '../failures.ts';
import type { HeadObject } from './head.ts';
import type { Address } from './http/address.ts';
import type { Sdk } from './http/sdk.ts';
import { type SignedHttp, sha256Of } from './http/signed-request.ts';

/** By AWS's names, which the other vendors take over. */
export const PERMISSIONS = [
  's3:PutObject',
  's3:GetObject',
  's3:DeleteObject',
  's3:ListBucket',
  's3:ListBucketMultipartUploads',
  's3:AbortMultipartUpload',
  's3:ListBucketVersions',
  's3:DeleteObjectVersion',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export interface PermissionReport {
  /** Refused with 403. The two of versions are tried only where the bucket keeps versions. */
  readonly missing: readonly Permission[];
  /** The bucket keeps new objects until then by a default retention rule (Object Lock). */
  readonly lockedUntil: Date | undefined;
}

/** Small, and not the content of any media item. */
const CONTENT = Buffer.from('wechat-media-archiver was here to see what it may do.\n');

export type CheckPermissions = (signal: AbortSignal) => Promise<PermissionReport>;

/** Throws what is wrong with the store as a whole (../store-failures.ts): then no right can be told. */
export function createPermissionCheck(
  deps: { wire: SignedHttp; sdk: Sdk; address: Address; look: HeadObject },
  { bucket, prefix }: { bucket: string; prefix: string },
): CheckPermissions {
  const { wire, sdk, address, look } = deps;

  return async (signal) => {
    const missing: Permission[] = [];

    /** Undefined: refused; where not by 403, the store does not know the request (`HTTP 501 NotImplemented`). */
    async function attempt<T>(action: Permission, act: () => Promise<T>): Promise<T | undefined> {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof FailureError) || error.failure.code !== 'store_refused') throw error;
        const isForbidden = error.failure.detail?.startsWith('HTTP 403');
        if (isForbidden && !missing.includes(action)) missing.push(action);
        return undefined;
      }
    }

    const Key = `${prefix}.probe/${randomUUID()}`;
    const path = address.pathOf(Key);
    const of = { Bucket: bucket, Key };
    const listOf = { Bucket: bucket, Prefix: Key };

    const sent = { body: [CONTENT], sha256: sha256Of(CONTENT) };
    const put = await attempt('s3:PutObject', () => wire.sendOk({ method: 'PUT', path, ...sent, signal }));
    const seen = put && (await attempt('s3:GetObject', () => look(path, undefined, signal)));
    await attempt('s3:ListBucket', () => look(address.pathOf(`${prefix}.probe/none`), undefined, signal));
    await attempt('s3:ListBucket', () =>
      sdk.run(signal, (client, how) => client.send(new ListObjectsV2Command(listOf), how)),
    );
    await attempt('s3:ListBucketMultipartUploads', () =>
      sdk.run(signal, (client, how) => client.send(new ListMultipartUploadsCommand(listOf), how)),
    );
    if (!put) return { missing, lockedUntil: undefined };

    const begun = await attempt('s3:PutObject', () =>
      sdk.run(signal, (client, how) => client.send(new CreateMultipartUploadCommand(of), how)),
    );
    const { UploadId } = begun ?? {};
    if (UploadId)
      await attempt('s3:AbortMultipartUpload', () =>
        sdk.run(signal, (client, how) =>
          client.send(new AbortMultipartUploadCommand({ ...of, UploadId }), how),
        ),
      );

    const until = new Date(seen?.headers['x-amz-object-lock-retain-until-date'] ?? Number.NaN);
    const lockedUntil = Number.isNaN(until.getTime()) ? undefined : until;
    const versionId = put.headers['x-amz-version-id'] ?? seen?.headers['x-amz-version-id'];
    await attempt('s3:DeleteObject', () => wire.sendOk({ method: 'DELETE', path, signal }));
    if (versionId && versionId !== 'null') {
      const versions = await attempt('s3:ListBucketVersions', () =>
        sdk.run(signal, (client, how) => client.send(new ListObjectVersionsCommand(listOf), how)),
      );
      // The delete marker is never locked, so that a refusal is one of the right.
      const ids = [...(versions?.DeleteMarkers ?? []), ...(lockedUntil ? [] : [{ VersionId: versionId }])];
      for (const id of ids.flatMap(({ VersionId }) => VersionId ?? []))
        await attempt('s3:DeleteObjectVersion', () =>
          wire.sendOk({ method: 'DELETE', path, query: { versionId: id }, signal }),
        );
    }
    return { missing, lockedUntil };
  };
}
