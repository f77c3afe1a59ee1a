/** HEAD of an object. Its response has no body, so the reason of a failure is read from a GET of one byte. */
import { failure } from '../failures.ts';
import { s3ErrorCodeOf } from './http/failure.ts';
import type { QuickRetry } from './http/quick-retry.ts';
import type { Headers, SignedHttp } from './http/signed-request.ts';

/**
 * True where the store itself reports that there is no such object or version. The status alone proves nothing: a
 * missing bucket is a 404 as well, and so is any page of a website.
 */
export function isNotFound({ status, body }: { status: number; body: Buffer }): boolean {
  return status === 404 && /^NoSuch(Key|Version|Object)$/.test(s3ErrorCodeOf(body.toString('utf8')) ?? '');
}

/**
 * `missing`: there is no such object, or a delete marker hides it. Throws the failure of any other response. A 403
 * (`store_refused`) from a key without `s3:ListBucket` leaves it unknown whether the object exists.
 */
export type HeadObject = (
  path: string,
  query: Record<string, string> | undefined,
  signal: AbortSignal,
) => Promise<{ missing: boolean; headers: Headers }>;

export function createHeadObject({ http, retry }: { http: SignedHttp; retry: QuickRetry }): HeadObject {
  return (path, query, signal) =>
    retry(signal, async () => {
      const request = { path, ...(query ? { query } : {}), signal };
      const head = await http.send({ method: 'HEAD', ...request });
      const { status, headers } = head;
      if (status === 200) return { missing: false, headers };
      if (status >= 500 || status === 429) throw http.failureOf(head);
      const get = await http.send({ method: 'GET', ...request, headers: { range: 'bytes=0-0' } });
      if (isNotFound(get)) return { missing: true, headers };
      if (get.status >= 300) throw http.failureOf(get);
      // The object was created between the two requests, or a proxy passes GET and refuses HEAD.
      throw failure(
        status === 404 ? 'store_unavailable' : 'store_refused',
        `HEAD HTTP ${status}, GET HTTP ${get.status}`,
      );
    });
}
