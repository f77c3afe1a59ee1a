/** The bytes of a file or of a preview. */
import { ClientError } from './client-error.ts';
import type { Settings } from './options.ts';
import { isSuccess, type Limits, openResponse, type Request, refusal } from './response.ts';

const PENDING = 202;

export interface MediaContent {
  readonly contentType: string;
  /** Absent where the server does not say it. */
  readonly sizeBytes?: number;
  /**
   * The bytes, once: `pipeline(content.body, createWriteStream(path))`. A transfer that breaks off is an error, so that
   * half a file is never taken for a whole one.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads all bytes. Rejects if there are more than `atMostBytes`; default 64 MiB. */
  bytes(atMostBytes?: number): Promise<Uint8Array>;
  /** Ends the transfer. Needed only where neither `body` nor `bytes` is read to its end. */
  close(): void;
}

const MOST_BYTES = 64 * 1024 * 1024;

/** Opens the content of an item. Rejects with `pending` while it is not archived. */
export async function openContent(
  settings: Settings,
  request: Request,
  limits: Limits,
): Promise<MediaContent> {
  const response = await openResponse(
    settings,
    // A compressed transfer would have another length than the file.
    { ...request, headers: { accept: '*/*', 'accept-encoding': 'identity' } },
    limits,
  );
  if (!isSuccess(response)) throw await refusal(settings, response, limits.timeoutMs);
  if (response.status === PENDING) {
    const waitSeconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    response.close();
    throw new ClientError('pending', 'the file is not archived yet', {
      status: PENDING,
      advice: 'Wait for its event media.archived, or ask again later.',
      ...(Number.isFinite(waitSeconds) ? { retryAfterMs: waitSeconds * 1000 } : {}),
    });
  }
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const chunks = response.chunks(() => limits.timeoutMs);
  return {
    contentType: response.headers.get('content-type') ?? 'application/octet-stream',
    ...(Number.isSafeInteger(length) ? { sizeBytes: length } : {}),
    body: chunks,
    bytes: async (atMostBytes = MOST_BYTES) => {
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of chunks) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > atMostBytes)
          throw new ClientError('too_large', `the file has more than ${atMostBytes} bytes`);
        parts.push(chunk);
      }
      return Buffer.concat(parts);
    },
    close: response.close,
  };
}
