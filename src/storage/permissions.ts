/** Tries each permission of the access key with a request on a small object under the probes' prefix. */
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

/** By AWS's names, which the other vendors have adopted. */
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
  /** Refused with 403. The two about versions are tried only where the bucket keeps versions. */
  readonly missing: readonly Permission[];
  /** Until when the bucket's default retention rule (Object Lock) locks a new object; undefined without such a rule. */
  readonly lockedUntil: Date | undefined;
}

/** Not the content of any media item. */
const CONTENT = Buffer.from('wechat-media-archiver was here to see what it may do.\n');

export type CheckPermissions = (signal: AbortSignal) => Promise<PermissionReport>;

/** Throws a failure of ../store-failures.ts that concerns the whole store: permissions cannot be found out then. */
export function createPermissionCheck(
  deps: { http: SignedHttp; sdk: Sdk; address: Address; headObject: HeadObject },
  { bucket, prefix }: { bucket: string; prefix: string },
): CheckPermissions {
  const { http, sdk, address, headObject } = deps;

  return async (signal) => {
    const missing: Permission[] = [];

    /** Undefined: refused. A refusal other than 403 means that the store does not implement the request (HTTP 501). */
    async function attempt<T>(permission: Permission, send: () => Promise<T>): Promise<T | undefined> {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof FailureError) || error.failure.code !== 'store_refused') throw error;
        const isForbidden = error.failure.detail?.startsWith('HTTP 403');
        if (isForbidden && !missing.includes(permission)) missing.push(permission);
        return undefined;
      }
    }

    const Key = `${prefix}.probe/${randomUUID()}`;
    const path = address.pathOf(Key);
    const of = { Bucket: bucket, Key };
    const listOf = { Bucket: bucket, Prefix: Key };

    const content = { body: [CONTENT], sha256: sha256Of(CONTENT) };
    const put = await attempt('s3:PutObject', () => http.sendOk({ method: 'PUT', path, ...content, signal }));
    const head = put && (await attempt('s3:GetObject', () => headObject(path, undefined, signal)));
    await attempt('s3:ListBucket', () =>
      headObject(address.pathOf(`${prefix}.probe/none`), undefined, signal),
    );
    await attempt('s3:ListBucket', () =>
      sdk.run(signal, (client, sendOptions) => client.send(new ListObjectsV2Command(listOf), sendOptions)),
    );
    await attempt('s3:ListBucketMultipartUploads', () =>
      sdk.run(signal, (client, sendOptions) =>
        client.send(new ListMultipartUploadsCommand(listOf), sendOptions),
      ),
    );
    if (!put) return { missing, lockedUntil: undefined };

    const created = await attempt('s3:PutObject', () =>
      sdk.run(signal, (client, sendOptions) =>
        client.send(new CreateMultipartUploadCommand(of), sendOptions),
      ),
    );
    const { UploadId } = created ?? {};
    if (UploadId)
      await attempt('s3:AbortMultipartUpload', () =>
        sdk.run(signal, (client, sendOptions) =>
          client.send(new AbortMultipartUploadCommand({ ...of, UploadId }), sendOptions),
        ),
      );

    const until = new Date(head?.headers['x-amz-object-lock-retain-until-date'] ?? Number.NaN);
    const lockedUntil = Number.isNaN(until.getTime()) ? undefined : until;
    const versionId = put.headers['x-amz-version-id'] ?? head?.headers['x-amz-version-id'];
    await attempt('s3:DeleteObject', () => http.sendOk({ method: 'DELETE', path, signal }));
    if (versionId && versionId !== 'null') {
      const versions = await attempt('s3:ListBucketVersions', () =>
        sdk.run(signal, (client, sendOptions) =>
          client.send(new ListObjectVersionsCommand(listOf), sendOptions),
        ),
      );
      // A delete marker is never locked, so a refusal is for want of the permission.
      const ids = [...(versions?.DeleteMarkers ?? []), ...(lockedUntil ? [] : [{ VersionId: versionId }])];
      for (const id of ids.flatMap(({ VersionId }) => VersionId ?? []))
        await attempt('s3:DeleteObjectVersion', () =>
          http.sendOk({ method: 'DELETE', path, query: { versionId: id }, signal }),
        );
    }
    return { missing, lockedUntil };
  };
}
