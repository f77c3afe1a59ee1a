/** One converter process: it gets one file after the other, and is killed when it takes more than it may. */
import { type ConverterLimits, OUTPUT_LIMIT_BYTES } from '../limits.ts';
import {
  type ConvertRequest,
  type ConvertResponse,
  createMessageReader,
  encodeHead,
  type Message,
  type ProcessUse,
} from '../message.ts';
import {
  isPreviewReason,
  type PreviewReason,
  PreviewRefusedError,
  PreviewUnavailableError,
} from '../reasons.ts';
import { usageOf } from './process-usage.ts';
import { type ConverterChild, startConverter } from './start-process.ts';

export interface ConverterProcess {
  /** False once it has ended, was killed or has used so much that another one should take its place. */
  readonly isUsable: boolean;
  /**
   * Resolves with the preview. One call at a time. Rejects with a PreviewRefusedError if the file is the cause, and
   * otherwise with a PreviewUnavailableError whose cause has the details for the log.
   */
  convert(request: ConvertRequest, file: readonly Buffer[]): Promise<Buffer>;
  /** Kills it. Resolves when it has ended. */
  close(): Promise<void>;
}

const WATCH_MS = 25;
const STDERR_CHARACTERS = 500;
/** After these a process is replaced: memory may be fragmented, and its CPU time is limited by the system. */
const USES_LIMIT = 200;
const CPU_LIMIT_MS = 45_000;
const IDLE_MEMORY_LIMIT_BYTES = 160 * 2 ** 20;

/** The signals by which native code ends after a mistake of its own. */
const CRASHES: ReadonlySet<string> = new Set([
  'SIGSEGV',
  'SIGABRT',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  'SIGSYS',
]);

const refusal = (reason: PreviewReason, details: string) =>
  new PreviewRefusedError(reason, { cause: new Error(details) });
const unavailable = (details: string, cause?: unknown) =>
  new PreviewUnavailableError('failed', { cause: new Error(details, { cause }) });

interface Waiting {
  resolve(message: Message): void;
  reject(error: Error): void;
}

function startOrExplain(): ConverterChild {
  try {
    return startConverter();
  } catch (cause) {
    throw new PreviewUnavailableError('failed', { cause });
  }
}

/** Throws a PreviewUnavailableError if the process cannot be started. */
export function createConverterProcess(limits: ConverterLimits): ConverterProcess {
  const child = startOrExplain();
  const read = createMessageReader(OUTPUT_LIMIT_BYTES);
  let waiting: Waiting | undefined;
  /** Why this side killed it. */
  let killed: Error | undefined;
  let ended: Error | undefined;
  let stderr = '';
  let uses = 0;
  let isWorn = false;

  const detailed = (text: string) => new Error(stderr ? `${text}: ${stderr.trim()}` : text);

  function kill(why: Error): void {
    killed ??= why;
    child.kill('SIGKILL');
  }

  function end(error: Error): void {
    ended ??= error;
    waiting?.reject(ended);
    waiting = undefined;
  }

  /** Returns what the end of the process means for the file in hand. */
  function errorOfExit(code: number | null, signal: NodeJS.Signals | null): Error {
    if (killed) return killed;
    const cause = detailed(`the converter ended with ${signal ?? `code ${code}`}`);
    if (signal === 'SIGXCPU') return new PreviewRefusedError('too_slow', { cause });
    if (signal ? CRASHES.has(signal) : code !== 0)
      return new PreviewRefusedError('decoder_crashed', { cause });
    // Ended from outside, by a person or because the machine had no memory left.
    return new PreviewUnavailableError('failed', { cause });
  }

  child.stdout.on('data', (chunk: Buffer) => {
    try {
      for (const message of read(chunk)) {
        if (!waiting) throw new Error('a message that was not asked for');
        waiting.resolve(message);
        waiting = undefined;
      }
    } catch (cause) {
      kill(new PreviewRefusedError('decoder_crashed', { cause }));
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS);
  });
  // A process that has ended closes its pipes; `close` reports the end.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  child.on('error', (cause) => end(new PreviewUnavailableError('failed', { cause })));
  // Not `exit`: a last message may still be in the pipe then.
  const closed = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      end(errorOfExit(code, signal));
      resolve();
    });
  });

  /** Kills the process when it takes more memory or CPU time than it may from now on. Returns the end of the watch. */
  function watchUsage(cpuLimitMs: number): () => void {
    const cpuBeforeMs = (child.pid !== undefined && usageOf(child.pid)?.cpuMs) || 0;
    const timer = setInterval(() => {
      const usage = child.pid === undefined ? undefined : usageOf(child.pid);
      if (!usage) return;
      const cpuMs = usage.cpuMs - cpuBeforeMs;
      if (usage.memoryBytes > limits.memoryBytes)
        kill(refusal('too_much_memory', `${usage.memoryBytes} bytes after ${cpuMs} ms of CPU time`));
      if (cpuMs > cpuLimitMs) kill(refusal('too_slow', `${cpuMs} ms of CPU time`));
    }, WATCH_MS);
    return () => clearInterval(timer);
  }

  /** Resolves with the next message. After `timeoutMs`, kills the process and rejects. */
  async function nextMessage(timeoutMs: number, cpuLimitMs: number, write?: () => void): Promise<Message> {
    if (ended) throw unavailable('the converter has ended', ended);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    waiting = { resolve, reject };
    const timer = setTimeout(() => kill(unavailable(`no result within ${timeoutMs} ms`)), timeoutMs);
    const endWatch = watchUsage(cpuLimitMs);
    try {
      write?.();
      return await promise;
    } finally {
      clearTimeout(timer);
      endWatch();
    }
  }

  // Without a file in hand, no end of the process is the fault of a file.
  const started = nextMessage(limits.startMs, limits.conversionCpuMs).catch((cause: unknown) => {
    throw unavailable('the converter did not start', cause);
  });
  started.catch(() => undefined);

  function noteUse({ cpuMs, memoryBytes }: ProcessUse): void {
    uses++;
    isWorn = uses >= USES_LIMIT || !(cpuMs < CPU_LIMIT_MS) || !(memoryBytes < IDLE_MEMORY_LIMIT_BYTES);
  }

  return {
    get isUsable() {
      const isRunning = child.exitCode === null && child.signalCode === null;
      return isRunning && !ended && !killed && !isWorn;
    },
    convert: async (request, file) => {
      await started;
      const { header, body } = await nextMessage(limits.conversionMs, limits.conversionCpuMs, () => {
        const length = file.reduce((sum, chunk) => sum + chunk.length, 0);
        for (const part of [encodeHead(request, length), ...file]) child.stdin.write(part);
      });
      const response = header as ConvertResponse;
      switch (response.outcome) {
        case 'converted':
          noteUse(response);
          return body;
        case 'refused':
          noteUse(response);
          if (isPreviewReason(response.reason)) throw new PreviewRefusedError(response.reason);
          break;
        case 'failed':
          kill(new PreviewUnavailableError('failed'));
          throw new PreviewUnavailableError('failed', { cause: detailed(String(response.message)) });
      }
      const error = refusal('decoder_crashed', 'an unknown response');
      kill(error);
      throw error;
    },
    close: async () => {
      kill(unavailable('closing'));
      await closed;
    },
  };
}
