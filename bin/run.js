// Runs one of the TypeScript programs on a Node that can (24 or newer). npm puts the `node` package's binary
// first in the PATH of scripts; this file is plain old JavaScript so that it can speak where that is missing.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED = 24;
const root = fileURLToPath(new URL('..', import.meta.url));
const [program, ...rest] = process.argv.slice(2);
const supplied = `${root}node_modules/node/bin/node`;
const LOOK_MS = 500;

// npm passes SIGTERM on to its shell alone, which dies and leaves us running with the port and the folder.
if (process.env.npm_lifecycle_event) {
  const shell = process.ppid;
  setInterval(() => {
    if (process.ppid !== shell) process.kill(process.pid, 'SIGTERM');
  }, LOOK_MS).unref();
}

if (Number.parseInt(process.versions.node, 10) >= NEEDED) {
  // Types stripped and code compiled once, not at every start: a quarter of one. Where it cannot be written, nothing
  // is kept. Not in the folder for temporary files: other users who can write there could change our code.
  nodeModule.enableCompileCache?.(`${root}node_modules/.cache/compiled`);
  process.argv = [process.argv[0], `${root}${program}`, ...rest];
  await import(pathToFileURL(`${root}${program}`).href);
} else if (existsSync(supplied)) {
  const child = spawn(supplied, [`${root}${program}`, ...rest], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to the child too, and a second signal would end it at once, without closing.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
} else {
  console.error(
    `This program needs Node ${NEEDED} or newer and found ${process.versions.node}. npm usually supplies it through the ` +
      "optional 'node' package, which is not installed here: run `npm ci` without --omit=optional and with install " +
      'scripts allowed, or install Node 24 from your distribution.',
  );
  process.exitCode = 78;
}
