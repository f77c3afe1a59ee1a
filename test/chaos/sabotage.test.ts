/** Each sabotage must turn its cell and no other: a check that cannot find a fault proves nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { oneByCommit } from '../machine/selection.ts';
import { missing } from '../machine/services.ts';
import { brokenCells } from './check/findings.ts';
import { SABOTAGE_MODES } from './sabotage-modes.ts';
import { playScenario, SCENARIOS } from './scenarios.ts';
import type { Shape } from './script.ts';

const LONG = { timeout: 900_000 };
const lacks = (shape: Shape) => shape === 'redis' && (missing.redisServer || missing.postgresServer);

describe('sabotage', { concurrency: 3, ...LONG }, () => {
  for (const mode of oneByCommit(SABOTAGE_MODES)) {
    const { cell, shape } = SCENARIOS[mode];
    test(`sabotage ${mode} shows as «${cell}»`, { ...LONG, skip: lacks(shape) }, async () => {
      const { findings } = await playScenario(mode, { broken: true });
      const broken = brokenCells(findings);
      assert.deepEqual(Object.keys(broken), [cell], JSON.stringify(broken));
    });
  }
});
