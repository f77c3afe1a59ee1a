/** One GET, judged by its first bytes: what download.ts, links.ts and ranges.ts have in common. */
import { failure } from '../../failures.ts';
import type { Kind, Source } from '../../media.ts';
import { type MediaType, sniff } from '../../media-type.ts';
import { storableLine } from '../../storable.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, tooLarge } from '../http/stream-get.ts';
import { type BodyClass, classifyBody, HEAD_BYTES, JSON_BYTES, mayBecomeJson } from './classify-body.ts';
import { parseFileName } from './file-name.ts';

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

export interface ClassifiedResponse {
  readonly response: HttpResponse;
  readonly bodyClass: BodyClass;
  /** The first bytes included. */
  readonly body: AsyncIterable<Uint8Array>;
}

export type GetClassified = (
  url: URL,
  how: HttpRequest & { kind: Kind },
  signal: AbortSignal,
) => Promise<ClassifiedResponse>;

export function createGetClassified(http: HttpClient, maxMediaBytes: number): GetClassified {
  return async (url, how, signal) => {
    const response = await http.get(url, how, signal);
    try {
      const encoding = response.headers['content-encoding']?.trim().toLowerCase();
      if (encoding && encoding !== 'identity')
        throw failure('body_encoded', `${how.where}: ${encoding.slice(0, 40)}`);
      if ((response.lengthBytes ?? 0) > maxMediaBytes) throw tooLarge(maxMediaBytes);
      return { response, ...(await readHead(response, how.kind)) };
    } catch (error) {
      response.discard();
      throw error;
    }
  };
}

/** A name without a type in front of it was met too: `filename=".amr"`. */
export const isAttachment = ({ headers }: Pick<HttpResponse, 'headers'>): boolean =>
  /^\s*(?:attachment\b|filename\*?\s*=)/i.test(headers['content-disposition'] ?? '');

/** Reads as much as the judgement needs, and gives the body back whole. */
async function readHead(
  response: HttpResponse,
  kind: Kind,
): Promise<Pick<ClassifiedResponse, 'body' | 'bodyClass'>> {
  const rest = response.body[Symbol.asyncIterator]();
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
  const bodyClass = classifyBody({
    head,
    isWhole,
    sniffed: await sniff(head.subarray(0, HEAD_BYTES)),
    contentType: response.headers['content-type'],
    kind,
    isAttachment: isAttachment(response),
  });
  return { bodyClass, body: replayed(pieces, isWhole ? undefined : rest) };
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

export function toMediaBody(
  response: HttpResponse,
  type: MediaType,
  body: AsyncIterable<Uint8Array>,
  source: Source,
): MediaBody {
  const declaredType = storableLine(response.headers['content-type'] ?? '', 100);
  const fileName = parseFileName(response.headers['content-disposition']);
  return {
    source,
    ...(declaredType ? { declaredType } : {}),
    ...(fileName ? { fileName } : {}),
    ...(response.lengthBytes === undefined ? {} : { lengthBytes: response.lengthBytes }),
    endIsProven: response.endIsProven,
    sniffed: type,
    body,
    discard: response.discard,
  };
}
