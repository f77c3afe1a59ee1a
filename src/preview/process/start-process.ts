/** Starts the converter process with as few rights and resources as the system can bound. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export type ConverterChild = ChildProcessByStdio<Writable, Readable, Readable>;

const PROGRAM = fileURLToPath(new URL('../converter/main.ts', import.meta.url));

/**
 * The address space that Node reserves at its start, 700 MB, counts as data on Linux, so this is more than the limit of
 * resident memory. It stops an allocation that is too fast for the parent's measurements.
 */
const DATA_LIMIT_KIB = 1_310_720;
/** Ends a process that loops after its parent was killed. Processes in use are replaced long before. */
const CPU_LIMIT_SECONDS = 120;
/** Behind the server, which answers callbacks, but not so far that nothing is converted on a busy machine. */
const NICENESS = 5;

/**
 * A limit that the system does not know is left out: the parent limits time and memory in any case. The first line makes
 * the kernel end this process, and not the server, when memory runs out.
 */
const SHELL = `
echo 1000 > /proc/self/oom_score_adj
ulimit -c 0
ulimit -d ${DATA_LIMIT_KIB}
ulimit -t ${CPU_LIMIT_SECONDS}
exec "$0" "$@"
`;

const NODE_OPTIONS = [
  '--max-old-space-size=64',
  // 128 MiB; ten minutes of SILK need 80.
  '--wasm-max-mem-pages=2048',
  // No files but to read, no processes, no threads. Addons are needed: libvips is one.
  '--permission',
  '--allow-fs-read=*',
  '--allow-addons',
  '--no-warnings',
];

/** The environment is empty: it would contain the secrets of the service. */
const ENVIRONMENT = { UV_THREADPOOL_SIZE: '2' };

/** Throws if the process cannot be started, for example because the user has too many processes or open files. */
export function startConverter(): ConverterChild {
  // The messages of `ulimit` and `echo` go to stderr, where only the last characters are kept.
  const child = spawn('/bin/sh', ['-c', SHELL, process.execPath, ...NODE_OPTIONS, PROGRAM], {
    env: ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) {
    // Without a process, some of its pipes are missing too. The event repeats what is thrown here.
    child.on('error', () => undefined);
    throw new Error('the converter could not be started');
  }
  try {
    setPriority(child.pid, NICENESS);
  } catch {
    // It has ended already, which its `close` reports.
  }
  return child;
}
