/**
 * The messages between the program and a converter process, through pipes: the length of the header, the length of the
 * body (each 4 bytes, little endian), the header as JSON, the body.
 */
import type { PreviewFormat } from './preview-format.ts';
import type { PreviewReason } from './reasons.ts';

/** To the process: convert the file in the body. */
export interface ConvertRequest {
  readonly format: PreviewFormat;
  /** Hex. The process refuses a file with another digest. */
  readonly sha256: string;
}

/** What the process has used so far; the pool decides by it when to replace the process. */
export interface ProcessUse {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** From the process. `ready` comes once, at the start; `failed`: the fault is not in the file. */
export type ConvertResponse =
  | { readonly outcome: 'ready' }
  | ({ readonly outcome: 'converted' } & ProcessUse)
  | ({ readonly outcome: 'refused'; readonly reason: PreviewReason } & ProcessUse)
  | { readonly outcome: 'failed'; readonly message: string };

export interface Message {
  readonly header: unknown;
  readonly body: Buffer;
}

const PREFIX_BYTES = 8;
const HEADER_LIMIT_BYTES = 4_096;

/** Returns what goes before the body, which is written after it. */
export function encodeHead(header: ConvertRequest | ConvertResponse, bodyBytes: number): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeUInt32LE(bodyBytes, 4);
  return Buffer.concat([prefix, json]);
}

/**
 * Returns a function that takes the next bytes and returns the messages that they complete. It throws for a message
 * above the limits or without JSON; the stream cannot be read any further then.
 */
export function createMessageReader(bodyLimitBytes: number): (chunk: Buffer) => Message[] {
  let chunks: Buffer[] = [];
  let length = 0;
  let expected: { headerBytes: number; bodyBytes: number } | undefined;

  const take = (): Buffer => {
    const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
    chunks = [all];
    return all;
  };

  return (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    const messages: Message[] = [];
    for (;;) {
      if (!expected) {
        if (length < PREFIX_BYTES) return messages;
        const all = take();
        expected = { headerBytes: all.readUInt32LE(0), bodyBytes: all.readUInt32LE(4) };
        if (expected.headerBytes > HEADER_LIMIT_BYTES || expected.bodyBytes > bodyLimitBytes)
          throw new RangeError('a message is larger than allowed');
      }
      const bodyAt = PREFIX_BYTES + expected.headerBytes;
      const end = bodyAt + expected.bodyBytes;
      if (length < end) return messages;
      const all = take();
      messages.push({
        header: JSON.parse(all.toString('utf8', PREFIX_BYTES, bodyAt)),
        body: all.subarray(bodyAt, end),
      });
      expected = undefined;
      length -= end;
      chunks = length > 0 ? [all.subarray(end)] : [];
    }
  };
}
