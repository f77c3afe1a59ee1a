#!/usr/bin/env node
// `npx wma …` in this repository, whatever the machine's own Node is.
process.argv.splice(2, 0, 'src/cli/main.ts');
await import('./run.js');
