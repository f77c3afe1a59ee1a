/** Makes a GET request and classifies the body by its first bytes. Used by download.ts, links.ts and ranges.ts. */
import { failure } from '../../failures.ts';
import type { Kind, Source } from '../../media.ts';
import { type MediaType, sniff } from '../../media-type.ts';
import { storableLine } from '../../storable.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, tooLarge } from '../http/stream-get.ts';
import { type BodyClass, classifyBody, HEAD_BYTES, JSON_BYTES, mayBecomeJson } from './classify-body.ts';
import { parseFileName } from './file-name.ts';

export interface MediaBody {
  readonly source: Source;
  /** Content-Type as WeChat sent it, cut to 100 characters; it is sometimes wrong. */
  readonly declaredType?: string;
  readonly fileName?: string;
  /** From Content-Length, or the total of the ranges; `body` ends cleanly only after this many bytes. */
  readonly lengthBytes?: number;
  /**
   * Whether a clean end of `body` proves that the body is complete: by its length, or by the last chunk of a chunked
   * body. False if the body ends with the connection, because a body that is cut ends in the same way.
   */
  readonly endIsProven: boolean;
  /** The type according to the first bytes; application/octet-stream and `bin` for formats without a magic number. */
  readonly sniffed: MediaType;
  /** All bytes of the file. Can be read once. Throws a FailureError, or the signal's reason. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Releases the connection. Must always be called; idempotent. */
  discard(): void;
}

export interface ClassifiedResponse {
  readonly response: HttpResponse;
  readonly bodyClass: BodyClass;
  /** All bytes, including those that were read for the classification. */
  readonly body: AsyncIterable<Uint8Array>;
}

export type GetClassified = (
  url: URL,
  request: HttpRequest & { kind: Kind },
  signal: AbortSignal,
) => Promise<ClassifiedResponse>;

export function createGetClassified(http: HttpClient, maxMediaBytes: number): GetClassified {
  return async (url, request, signal) => {
    const response = await http.get(url, request, signal);
    try {
      const encoding = response.headers['content-encoding']?.trim().toLowerCase();
      if (encoding && encoding !== 'identity')
        throw failure('body_encoded', `${request.where}: ${encoding.slice(0, 40)}`);
      if ((response.lengthBytes ?? 0) > maxMediaBytes) throw tooLarge(maxMediaBytes);
      return { response, ...(await readHead(response, request.kind)) };
    } catch (error) {
      response.discard();
      throw error;
    }
  };
}

/**
 * Whether the response is an attachment. WeChat also sends a file name without a disposition type: `filename=".amr"`.
 */
export const isAttachment = ({ headers }: Pick<HttpResponse, 'headers'>): boolean =>
  /^\s*(?:attachment\b|filename\*?\s*=)/i.test(headers['content-disposition'] ?? '');

/** Reads as many bytes as the classification needs; the returned body still contains them. */
async function readHead(
  response: HttpResponse,
  kind: Kind,
): Promise<Pick<ClassifiedResponse, 'body' | 'bodyClass'>> {
  const rest = response.body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let isWhole = false;
  let neededBytes = HEAD_BYTES;
  while (size < neededBytes && !isWhole) {
    const next = await rest.next();
    if (next.done) {
      isWhole = true;
    } else {
      chunks.push(next.value);
      size += next.value.length;
      // White space before the JSON may arrive in a separate chunk.
      neededBytes = mayBecomeJson(chunks.length === 1 ? next.value : Buffer.concat(chunks))
        ? JSON_BYTES
        : HEAD_BYTES;
    }
  }
  const head = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  const bodyClass = classifyBody({
    head,
    isWhole,
    sniffed: await sniff(head.subarray(0, HEAD_BYTES)),
    contentType: response.headers['content-type'],
    kind,
    isAttachment: isAttachment(response),
  });
  return { bodyClass, body: replayed(chunks, isWhole ? undefined : rest) };
}

/** Yields the chunks that were already read, then the rest. */
function replayed(
  chunks: Uint8Array[],
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncIterableIterator<Uint8Array> {
  const end = { done: true, value: undefined } as const;
  return {
    next: async () => {
      const value = chunks.shift();
      if (value) return { done: false, value };
      return rest ? await rest.next() : end;
    },
    return: async () => {
      chunks.length = 0;
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
