/** `node bin/run.js test/wechat/callback/fuzz.ts --cases 100000 --seed 7`: prints figures, exit 1 if anything threw. */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fuzz } from './fuzzing.ts';

setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc');
const { values } = parseArgs({
  options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const startedMs = performance.now();
const figures = fuzz({ cases: Number(values.cases), seed: Number(values.seed) });
console.log(JSON.stringify({ ...figures, seconds: (performance.now() - startedMs) / 1000 }, undefined, 2));
