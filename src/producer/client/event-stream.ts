/** Parses text/event-stream: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
import { unexpected } from './response.ts';

export interface StreamMessage {
  /** The last `id:` so far; undefined while there was none. */
  readonly cursor: string | undefined;
  /** Undefined: the message only moves the cursor. */
  readonly data: string | undefined;
}

/** Far more than any event. */
const LONGEST_MESSAGE = 8 * 1024 * 1024;

/**
 * Yields the messages of a stream. A message without its blank line at the end of the stream was cut off, and is not
 * yielded. `url` is for the error of a message that is too long.
 */
export async function* parseEventStream(
  chunks: AsyncIterable<Uint8Array>,
  url: string,
): AsyncGenerator<StreamMessage, void> {
  const decoder = new TextDecoder();
  let rest = '';
  let cursor: string | undefined;
  let hasNewCursor = false;
  let data: string[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(LINE_END);
    rest = lines.pop() ?? '';
    size += chunk.byteLength;
    if (size > LONGEST_MESSAGE) throw unexpected(url, 'a message of its stream is too long');
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? [];
      if (line === '') {
        const hasData = data.length > 0;
        if (hasData || hasNewCursor) yield { cursor, data: hasData ? data.join('\n') : undefined };
        data = [];
        hasNewCursor = false;
        size = rest.length;
      } else if (field === 'data') data.push(value);
      // The standard ignores an id with NUL.
      else if (field === 'id' && !value.includes('\0')) {
        cursor = value;
        hasNewCursor = true;
      }
    }
  }
}

/** A \r at the end of a chunk stays in the rest, since its \n may follow. */
const LINE_END = /\r\n|\n|\r(?!$)/;
