/**
 * Downloads large files of WeCom, which media/get refuses to send at once (830002): requests one range after the other
 * and returns them as one body. Documentation path 96486: 206 with Content-Range, ranges of at most 20 MB.
 */
import { failure } from '../../failures.ts';
import { type HttpResponse, tooLarge } from '../http/stream-get.ts';
import { type ClassifiedResponse, isAttachment, type MediaBody, toMediaBody } from './media-body.ts';

/** The size of two parts of a multipart upload. It is below the limit, whether the limit means 20 MB or 20 MiB. */
export const RANGE_BYTES = 16 * 1024 * 1024;

export interface RangesOptions {
  readonly maxMediaBytes: number;
  /** The timeout for all ranges together. */
  readonly totalTimeoutMs: number;
  readonly rangeBytes?: number | undefined;
}

/** Requests one range. `range`: the value of the Range header. `timeoutMs`: the time left of the total timeout. */
export type GetRange = (range: string, timeoutMs: number) => Promise<ClassifiedResponse>;

interface Range {
  readonly from: number;
  /** Inclusive, as in the header. */
  readonly to: number;
  readonly total: number;
}

/** Opens the file as one body. `throwFailure` must throw the failure for a response that is not a range of the file. */
export async function openRanges(
  get: GetRange,
  throwFailure: (response: ClassifiedResponse) => never,
  options: RangesOptions,
): Promise<MediaBody> {
  const rangeBytes = options.rangeBytes ?? RANGE_BYTES;
  const endsAtMs = performance.now() + options.totalTimeoutMs;
  let current: HttpResponse | undefined;

  /** Requests the range that begins at `from`. `range` is undefined if the status is not 206. */
  async function requestRange(
    from: number,
    total?: number,
  ): Promise<{ got: ClassifiedResponse; range: Range | undefined }> {
    const timeLeftMs = endsAtMs - performance.now();
    if (timeLeftMs <= 0) throw failure('timeout', `ranges: not within ${options.totalTimeoutMs} ms`);
    const to = Math.min(from + rangeBytes, total ?? Number.POSITIVE_INFINITY) - 1;
    const got = await get(`bytes=${from}-${to}`, Math.ceil(timeLeftMs));
    current = got.response;
    try {
      if (got.response.status !== 206) return { got, range: undefined };
      return { got, range: parseContentRange(got.response, { from, to, total }) };
    } catch (error) {
      got.response.discard();
      throw error;
    }
  }

  const { got: first, range: firstRange } = await requestRange(0);
  const { bodyClass, response } = first;
  // Without Content-Range the response may be the whole file: a gateway in between may not support ranges.
  if (bodyClass.is !== 'media' || (!firstRange && response.status !== 200)) return throwFailure(first);
  if (!firstRange) return toMediaBody(response, bodyClass.type, first.body, 'media_get');
  const { total, to: firstTo } = firstRange;
  if (total > options.maxMediaBytes) {
    response.discard();
    throw tooLarge(options.maxMediaBytes);
  }

  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield* verifyLength(first.body, firstRange!);
    for (let from = firstTo + 1; from < total; ) {
      const { got, range } = await requestRange(from, total);
      const isText = isAttachment(response) && !isAttachment(got.response) && got.bodyClass.is !== 'media';
      if (!range || isText) return throwFailure(got);
      yield* verifyLength(got.body, range);
      from = range.to + 1;
    }
  }
  return {
    ...toMediaBody(response, bodyClass.type, bytes(), 'media_get'),
    lengthBytes: total,
    endIsProven: true,
    discard: () => current?.discard(),
  };
}

/**
 * Returns the range that a response contains. It must begin at the requested byte, but may end earlier than requested.
 */
function parseContentRange(
  response: HttpResponse,
  requested: { from: number; to: number; total: number | undefined },
): Range {
  const header = response.headers['content-range'] ?? '';
  const [from, to, total] = (/^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15})\s*$/i.exec(header) ?? [])
    .slice(1)
    .map(Number);
  const malformed = (what: string) => failure('malformed_answer', `ranges: ${what}`);
  if (from === undefined || to === undefined || total === undefined) throw malformed('no Content-Range');
  if (from !== requested.from || to < from || to > requested.to || to >= total)
    throw malformed('not the requested range');
  if (requested.total !== undefined && total !== requested.total)
    throw malformed('a different total than before');
  if (response.lengthBytes !== undefined && response.lengthBytes !== to - from + 1)
    throw malformed('Content-Length is not the length of the range');
  return { from, to, total };
}

/** Yields the body of a range. Throws unless the body has exactly the length of the range. */
async function* verifyLength(
  body: AsyncIterable<Uint8Array>,
  { from, to }: Range,
): AsyncGenerator<Uint8Array> {
  const expected = to - from + 1;
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    if (received > expected) throw failure('body_too_long', `ranges: more than ${expected} bytes of a range`);
    yield chunk;
  }
  if (received < expected)
    throw failure('body_too_short', `ranges: ${received} of ${expected} bytes of a range`);
}
