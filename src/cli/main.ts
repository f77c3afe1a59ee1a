#!/usr/bin/env node
/** The program `wma`: the command line client of the service. */
import { loadClientSettings } from '../config/config.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { runCli } from './program.ts';

const SAME_INTERRUPT_MS = 300;

allowSlowConnects();

// It is not an error if the reader of the pipe (head, less) closes it early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

await runCli(
  {
    settings: () => loadClientSettings(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    exit: (code) => {
      process.exitCode = code;
    },
    onInterrupt: (listener) => {
      let firstAtMs: number | undefined;
      process.on('SIGINT', () => {
        // A second Ctrl-C exits at once. One Ctrl-C may arrive twice: from the terminal and from the parent process.
        if (firstAtMs !== undefined && performance.now() - firstAtMs > SAME_INTERRUPT_MS) process.exit(130);
        firstAtMs ??= performance.now();
        listener();
      });
    },
  },
  process.argv.slice(2),
);
