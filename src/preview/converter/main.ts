/**
 * The converter: a program that turns one file after the other into a preview. It reads messages from stdin and writes
 * messages to stdout until stdin ends. It is a process of its own, because the decoders are native code and WebAssembly
 * and the files come from strangers: it may crash, loop or be killed at any moment.
 */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { PICTURE_LIMIT_BYTES } from '../limits.ts';
import {
  type ConvertRequest,
  type ConvertResponse,
  createMessageReader,
  encodeHead,
  type Message,
} from '../message.ts';
import { PreviewRefusedError } from '../reasons.ts';

const US_PER_MS = 1_000;

// Decoders print on the console, which would be read as messages.
for (const name of ['log', 'info', 'debug'] as const) console[name] = console.error;

/** Loaded at the first use: a process that only converts voices does not load libvips, which takes 30 MB. */
async function loadConverter(format: unknown): Promise<(bytes: Buffer) => Promise<Buffer>> {
  switch (format) {
    case 'voice':
      return (await import('./voice.ts')).convertVoice;
    case 'picture':
      return (await import('./picture.ts')).convertPicture;
    default:
      throw new Error(`no converter of the format ${format}`);
  }
}

function use() {
  const { user, system } = process.cpuUsage();
  return { cpuMs: Math.round((user + system) / US_PER_MS), memoryBytes: process.memoryUsage.rss() };
}

async function respond({ header, body }: Message): Promise<[ConvertResponse, Buffer?]> {
  const { format, sha256 } = header as ConvertRequest;
  let convert: (bytes: Buffer) => Promise<Buffer>;
  try {
    convert = await loadConverter(format);
  } catch (error) {
    return [{ outcome: 'failed', message: error instanceof Error ? error.message : String(error) }];
  }
  try {
    if (hash('sha256', body) !== sha256) throw new PreviewRefusedError('not_as_archived');
    const preview = await convert(body);
    return [{ outcome: 'converted', ...use() }, preview];
  } catch (error) {
    // The decoders report bytes that they cannot read as errors of many kinds.
    const reason = error instanceof PreviewRefusedError ? error.reason : 'damaged';
    return [{ outcome: 'refused', reason, ...use() }];
  }
}

async function write([response, body]: [ConvertResponse, Buffer?]): Promise<void> {
  const head = encodeHead(response, body?.length ?? 0);
  for (const part of body ? [head, body] : [head])
    if (!process.stdout.write(part)) await once(process.stdout, 'drain');
}

const read = createMessageReader(PICTURE_LIMIT_BYTES);
await write([{ outcome: 'ready' }]);
for await (const chunk of process.stdin) {
  for (const message of read(chunk)) await write(await respond(message));
}
