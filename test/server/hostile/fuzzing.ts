/**
 * Sends the hostile callbacks of test/wechat/callback/fuzzing.ts to the HTTP server, so that everything before the parser is
 * tested too. `node bin/run.js test/server/hostile/fuzzing.ts --cases 100000 --seed 7` prints figures.
 */
import { parseArgs } from 'node:util';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { buildCallbackServer } from '../../../src/server/app.ts';
import type { RouteDeps } from '../../../src/server/route-deps.ts';
import { ACCOUNTS, casesOf } from '../../wechat/callback/fuzzing.ts';
import { NOW } from '../../wechat/callback/vectors.ts';

export interface ServerFuzzFigures {
  readonly cases: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Callbacks with a status that is neither 2xx nor 4xx. */
  readonly wrong: readonly string[];
  readonly accepted: number;
}

const WRONG_LIMIT = 10;

export async function fuzzServer(options: { cases: number; seed: number }): Promise<ServerFuzzFigures> {
  let accepted = 0;
  const nothing = async () => undefined;
  // Instead of the database, which would be the bottleneck: other tests give it hostile text.
  const deps = {
    ingest: {
      ingestCallback: async (references: readonly unknown[]) => {
        accepted += references.length;
        return [];
      },
      storeSecret: nothing,
      requestKfSync: nothing,
      suspect: () => undefined,
    },
    accounts: { all: ACCOUNTS, find: (id: string) => ACCOUNTS[Number(id)] },
    catalogue: { callbacks: { add: nothing } },
    clock: { now: () => NOW },
    config: { http: { trustedProxies: [] } },
    metrics: createMetrics(),
    repeatedLog: { write: () => undefined, close: () => undefined },
    log: createLog({ level: 'silent', program: 'test', secrets: [] }),
  } as unknown as RouteDeps;
  const app = await buildCallbackServer(deps);
  const next = casesOf(options.seed);
  const statuses: Record<string, number> = {};
  const wrong: string[] = [];
  for (let index = 0; index < options.cases; index++) {
    const { who, query, body } = next();
    const response = await app.inject({
      method: 'POST',
      url: `/wechat/${ACCOUNTS.indexOf(who)}`,
      query: query as Record<string, string>,
      headers: { 'content-type': index % 2 === 0 ? 'text/xml' : 'application/json' },
      payload: body,
    });
    statuses[response.statusCode] = (statuses[response.statusCode] ?? 0) + 1;
    const isFine =
      (response.statusCode >= 200 && response.statusCode < 300) ||
      Math.floor(response.statusCode / 100) === 4;
    if (!isFine && wrong.length < WRONG_LIMIT)
      wrong.push(`${index}: ${response.statusCode} ${body.toString('base64')}`);
  }
  await app.close();
  return { cases: options.cases, statuses, wrong, accepted };
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
  });
  const startedMs = performance.now();
  const figures = await fuzzServer({ cases: Number(values.cases), seed: Number(values.seed) });
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    JSON.stringify({ ...figures, seconds, heapBytes: process.memoryUsage().heapUsed }, undefined, 2),
  );
  if (figures.wrong.length > 0) process.exitCode = 1;
}
