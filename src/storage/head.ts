/**
 * HEAD, whose answer has no body: where it is no 200, the same is asked by GET, whose XML names the reason. 404 is said
 * of a bucket that does not exist, and by any website, as well as of an object that is not there.
 */
import { failure } from '../failures.ts';
import { codeOf } from './http/failure.ts';
import type { QuickRetry } from './http/quick-retry.ts';
import type { Headers, SignedHttp } from './http/signed-request.ts';

/** The store itself says that there is no such object or version. */
export function isNotFound({ status, body }: { status: number; body: Buffer }): boolean {
  return status === 404 && /^NoSuch(Key|Version|Object)$/.test(codeOf(body.toString('utf8')) ?? '');
}

/**
 * `missing`: there is no such object, or a delete marker hides it. Throws the refusal: with 403, for want of
 * `s3:ListBucket`, it is not known whether the object exists.
 */
export type HeadObject = (
  path: string,
  query: Record<string, string> | undefined,
  signal: AbortSignal,
) => Promise<{ missing: boolean; headers: Headers }>;

export function createHeadObject({ wire, repeat }: { wire: SignedHttp; repeat: QuickRetry }): HeadObject {
  return (path, query, signal) =>
    repeat(signal, async () => {
      const request = { path, ...(query ? { query } : {}), signal };
      const { status, headers, body } = await wire.send({ method: 'HEAD', ...request });
      if (status === 200) return { missing: false, headers };
      if (status >= 500 || status === 429) throw wire.failureOf({ status, headers, body });
      const why = await wire.send({ method: 'GET', ...request, headers: { range: 'bytes=0-0' } });
      if (isNotFound(why)) return { missing: true, headers };
      if (why.status >= 300) throw wire.failureOf(why);
      // It came between the two, or a proxy passes GET and refuses HEAD.
      throw failure(
        status === 404 ? 'store_unavailable' : 'store_refused',
        `HEAD HTTP ${status}, GET HTTP ${why.status}`,
      );
    });
}
