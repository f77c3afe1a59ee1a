/** One GET, judged by its first bytes: what download.ts, links.ts and ranges.ts have in common. */
import { failure } from '../../failures.ts';
import type { Kind, Source } from '../../media.ts';
import { type MediaType, sniff } from '../../media-type.ts';
import { storableLine } from '../../storable.ts';
import { type Http, type HttpBody, type HttpRequest, tooLarge } from '../http/stream-get.ts';
import { HEAD_BYTES, JSON_BYTES, judge, mayBecomeJson, type Verdict } from './classify-body.ts';
import { fileNameOf } from './file-name.ts';

export interface MediaBody {
  readonly source: Source;
  /** Content-Type as sent, cut to 100 characters; known to be wrong at times. */
  readonly declaredType?: string;
  readonly fileName?: string;
  /** From Content-Length, or the total of ranges; `body` ends cleanly only after so many bytes. */
  readonly lengthBytes?: number;
  /**
   * Whether a clean end of `body` proves that it is whole: by its length, or by the last chunk of a chunked one.
   * False where the end is only that the connection was closed, which a cut looks like too.
   */
  readonly endIsProven: boolean;
  /** By the first bytes; application/octet-stream and `bin` for formats without magic. */
  readonly sniffed: MediaType;
  /** All bytes from the first on; to be read once. Throws FailureErrors, or the reason of the signal. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection. To be called in any case; harmless after the end. */
  discard(): void;
}

export interface Judged {
  readonly answer: HttpBody;
  readonly verdict: Verdict;
  /** The first bytes included. */
  readonly body: AsyncIterable<Uint8Array>;
}

export type GetJudged = (url: URL, how: HttpRequest & { kind: Kind }, signal: AbortSignal) => Promise<Judged>;

export function createGetJudged(http: Http, maxMediaBytes: number): GetJudged {
  return async (url, how, signal) => {
    const answer = await http.get(url, how, signal);
    try {
      const encoding = answer.headers['content-encoding']?.trim().toLowerCase();
      if (encoding && encoding !== 'identity')
        throw failure('body_encoded', `${how.where}: ${encoding.slice(0, 40)}`);
      if ((answer.lengthBytes ?? 0) > maxMediaBytes) throw tooLarge(maxMediaBytes);
      return { answer, ...(await readHead(answer, how.kind)) };
    } catch (error) {
      answer.discard();
      throw error;
    }
  };
}

/** A name without a type in front of it was met too: `filename=".amr"`. */
export const isAttachment = ({ headers }: Pick<HttpBody, 'headers'>): boolean =>
  /^\s*(?:attachment\b|filename\*?\s*=)/i.test(headers['content-disposition'] ?? '');

/** Reads as much as the judgement needs, and gives the body back whole. */
async function readHead(answer: HttpBody, kind: Kind): Promise<Pick<Judged, 'verdict' | 'body'>> {
  const rest = answer.body[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let size = 0;
  let isWhole = false;
  let enough = HEAD_BYTES;
  while (size < enough && !isWhole) {
    const next = await rest.next();
    if (next.done) {
      isWhole = true;
    } else {
      pieces.push(next.value);
      size += next.value.length;
      // White space may come in a piece of its own.
      enough = mayBecomeJson(pieces.length === 1 ? next.value : Buffer.concat(pieces))
        ? JSON_BYTES
        : HEAD_BYTES;
    }
  }
  const head = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  const verdict = judge({
    head,
    isWhole,
    sniffed: await sniff(head.subarray(0, HEAD_BYTES)),
    contentType: answer.headers['content-type'],
    kind,
    isAttachment: isAttachment(answer),
  });
  return { verdict, body: replayed(pieces, isWhole ? undefined : rest) };
}

/** What was read already, then the rest. */
function replayed(
  pieces: Uint8Array[],
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncIterableIterator<Uint8Array> {
  const end = { done: true, value: undefined } as const;
  return {
    next: async () => {
      const value = pieces.shift();
      if (value) return { done: false, value };
      return rest ? await rest.next() : end;
    },
    return: async () => {
      pieces.length = 0;
      await rest?.return?.();
      return end;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

export function mediaBody(
  answer: HttpBody,
  type: MediaType,
  body: AsyncIterable<Uint8Array>,
  source: Source,
): MediaBody {
  const declaredType = storableLine(answer.headers['content-type'] ?? '', 100);
  const fileName = fileNameOf(answer.headers['content-disposition']);
  return {
    source,
    ...(declaredType ? { declaredType } : {}),
    ...(fileName ? { fileName } : {}),
    ...(answer.lengthBytes === undefined ? {} : { lengthBytes: answer.lengthBytes }),
    endIsProven: answer.endIsProven,
    sniffed: type,
    body,
    discard: answer.discard,
  };
}
