#!/usr/bin/env node
/** `wma`: the service from a terminal. */
import { loadClientSettings } from '../config/config.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { runCli } from './program.ts';

const TWICE_MS = 300;

allowSlowConnects();

// A reader that had enough (head, less) is no trouble of ours.
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
        // A second one leaves at once; but one Ctrl-C may come twice, from the terminal and from whoever started us.
        if (firstAtMs !== undefined && performance.now() - firstAtMs > TWICE_MS) process.exit(130);
        firstAtMs ??= performance.now();
        listener();
      });
    },
  },
  process.argv.slice(2),
);
