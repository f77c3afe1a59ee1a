/**
 * Large files of WeCom, which media/get refuses to send whole (830002): asked for piece by piece and given on as one
 * body. Documentation path 96486: 206 with Content-Range, pieces of at most 20 MB.
 */
import { failure } from '../../failures.ts';
import { type HttpResponse, tooLarge } from '../http/stream-get.ts';
import { type ClassifiedResponse, isAttachment, type MediaBody, toMediaBody } from './media-body.ts';

/** Two parts of an upload; well below the limit, whichever megabyte is meant. */
export const RANGE_BYTES = 16 * 1024 * 1024;

export interface RangesOptions {
  readonly maxMediaBytes: number;
  /** For all pieces together. */
  readonly totalTimeoutMs: number;
  readonly rangeBytes?: number | undefined;
}

/** Asks for one piece. `withinMs`: what is left of the time for all. */
export type GetRange = (range: string, withinMs: number) => Promise<ClassifiedResponse>;

interface Piece {
  readonly from: number;
  /** Inclusive, as the header has it. */
  readonly to: number;
  readonly total: number;
}

/** `refuse` throws what an answer that is no piece means. */
export async function openRanges(
  get: GetRange,
  refuse: (judged: ClassifiedResponse) => never,
  options: RangesOptions,
): Promise<MediaBody> {
  const size = options.rangeBytes ?? RANGE_BYTES;
  const endsAtMs = performance.now() + options.totalTimeoutMs;
  let current: HttpResponse | undefined;

  async function ask(
    from: number,
    total?: number,
  ): Promise<{ judged: ClassifiedResponse; piece: Piece | undefined }> {
    const leftMs = endsAtMs - performance.now();
    if (leftMs <= 0) throw failure('timeout', `ranges: not within ${options.totalTimeoutMs} ms`);
    const to = Math.min(from + size, total ?? Number.POSITIVE_INFINITY) - 1;
    const judged = await get(`bytes=${from}-${to}`, Math.ceil(leftMs));
    current = judged.response;
    try {
      if (judged.response.status !== 206) return { judged, piece: undefined };
      return { judged, piece: pieceOf(judged.response, { from, to, total }) };
    } catch (error) {
      judged.response.discard();
      throw error;
    }
  }

  const { judged: first, piece } = await ask(0);
  const { bodyClass: verdict, response: answer } = first;
  // Without Content-Range it may be whole after all: a gateway in between may not know ranges.
  if (verdict.is !== 'media' || (!piece && answer.status !== 200)) return refuse(first);
  if (!piece) return toMediaBody(answer, verdict.type, first.body, 'media_get');
  const { total } = piece;
  if (total > options.maxMediaBytes) {
    answer.discard();
    throw tooLarge(options.maxMediaBytes);
  }

  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield* exactly(first.body, piece!);
    for (let from = piece!.to + 1; from < total; ) {
      const next = await ask(from, total);
      const isText =
        isAttachment(answer) && !isAttachment(next.judged.response) && next.judged.bodyClass.is !== 'media';
      if (!next.piece || isText) return refuse(next.judged);
      yield* exactly(next.judged.body, next.piece);
      from = next.piece.to + 1;
    }
  }
  return {
    ...toMediaBody(answer, verdict.type, bytes(), 'media_get'),
    lengthBytes: total,
    endIsProven: true,
    discard: () => current?.discard(),
  };
}

/** The piece that Content-Range says this is. It may end sooner than was asked, but not begin elsewhere. */
function pieceOf(
  answer: HttpResponse,
  asked: { from: number; to: number; total: number | undefined },
): Piece {
  const header = answer.headers['content-range'] ?? '';
  const [from, to, total] = (/^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15})\s*$/i.exec(header) ?? [])
    .slice(1)
    .map(Number);
  const wrong = (what: string) => failure('malformed_answer', `ranges: ${what}`);
  if (from === undefined || to === undefined || total === undefined) throw wrong('no Content-Range');
  if (from !== asked.from || to < from || to > asked.to || to >= total) throw wrong('not what was asked for');
  if (asked.total !== undefined && total !== asked.total) throw wrong('another total than before');
  if (answer.lengthBytes !== undefined && answer.lengthBytes !== to - from + 1)
    throw wrong('a length that is not that of the range');
  return { from, to, total };
}

async function* exactly(body: AsyncIterable<Uint8Array>, { from, to }: Piece): AsyncGenerator<Uint8Array> {
  const expected = to - from + 1;
  let received = 0;
  for await (const piece of body) {
    received += piece.length;
    if (received > expected) throw failure('body_too_long', `ranges: more than ${expected} bytes of a piece`);
    yield piece;
  }
  if (received < expected)
    throw failure('body_too_short', `ranges: ${received} of ${expected} bytes of a piece`);
}
