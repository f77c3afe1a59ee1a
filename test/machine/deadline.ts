/**
 * Loaded before every test file: node:test waits without limit for a process that a timer, socket or child process
 * keeps alive. Here the file fails and reports what was left open.
 */
import { after } from 'node:test';

const FILE_LIMIT_MS = 1_200_000;
const LEFT_OPEN_LIMIT_MS = 60_000;

function failAfter(ms: number, what: string): void {
  // Unreferenced: it fires only where something else keeps the process alive.
  setTimeout(() => {
    console.error(`${process.argv[1]} ${what}; still open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, ms).unref();
}

failAfter(FILE_LIMIT_MS, `took longer than ${FILE_LIMIT_MS / 1000} s`);
after(() => failAfter(LEFT_OPEN_LIMIT_MS, `did not end ${LEFT_OPEN_LIMIT_MS / 1000} s after its last test`));

/**
 * Ends the process once nothing is left to do. At its natural end Node 24 cleans up all handles, and after connections
 * that were reset in the middle of a start it sometimes waits there without end, at full processor load and outside of
 * JavaScript (uv_run in Environment::CleanupHandles). Registered late, so that the handlers of node:test run before.
 */
process.once('beforeExit', () => process.on('exit', () => process.exit()));
