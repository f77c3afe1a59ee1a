/**
 * The short form of `npm run test:chaos`: a quarter of a minute of kills and faults, checked as strictly as the long form.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { oneByCommit, runsAll } from '../machine/selection.ts';
import { missing } from '../machine/services.ts';
import { readSources } from '../structure/sources.ts';
import { brokenCells } from './check/findings.ts';
import { planOf } from './plan.ts';
import { play } from './play.ts';
import { SHAPES, type Shape } from './script.ts';
import { shortPlanOf } from './short-plan.ts';

const SEED = 20_260_901;
/** Two minutes on a quiet machine: the queue takes a minute to notice that a worker was killed. */
const LONG = { timeout: 900_000 };

const lacks = (shape: Shape) =>
  (shape === 'redis' && missing.redisServer) || (shape !== 'embedded' && missing.postgresServer);
// They mostly wait: for processes to start, and for the queue to notice who is gone.
describe('chaos', { concurrency: 3, ...LONG }, () => {
  for (const shape of oneByCommit(SHAPES)) {
    test(`${shape}: nothing accepted is lost`, { ...LONG, skip: lacks(shape) }, async (t) => {
      t.diagnostic(
        `shape ${shape}${runsAll ? '' : ', chosen by the commit'}; npm run test:all runs every shape`,
      );
      const played = await play(shortPlanOf(shape, SEED), {}, (line) => t.diagnostic(line));
      assert.deepEqual(brokenCells(played.findings), {});
      assert.ok(
        (played.byStatus.archived ?? 0) > 50,
        `${JSON.stringify(played.byStatus)}: too little to prove`,
      );
    });
  }
});

describe('the check of the evidence', () => {
  test('imports nothing of the code under test', async () => {
    const sources = new Map((await readSources(['test'])).map((source) => [source.path, source]));
    const checkFiles = [...sources.keys()].filter((path) =>
      /^test\/chaos\/check\/(?!.*\.test\.ts$)/.test(path),
    );
    assert.ok(checkFiles.length >= 4);
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const next of sources.get(path)?.imports ?? []) visit(next);
    };
    for (const path of checkFiles) visit(path);
    assert.deepEqual(
      [...seen].filter((path) => !path.startsWith('test/')),
      [],
    );
  });
});

describe('the chaos script', () => {
  test('is the same for the same seed, and another for another', () => {
    const plan = (seed: number) => planOf({ seed, shape: 'redis', minutes: 1, accounts: 3 });
    assert.deepEqual(plan(7), plan(7));
    assert.notDeepEqual(plan(7), plan(8));
  });

  test('sends a thousand media and kills ten times a minute; a third of the callbacks come twice', () => {
    const { sendings, actions, loadMs } = planOf({ seed: 1, shape: 'redis', minutes: 4, accounts: 3 });
    assert.equal(sendings.length, 4_000);
    const kills = actions.filter(({ what }) => ['kill', 'freeze', 'redis', 'postgres'].includes(what));
    assert.equal(kills.length, 40);
    const again = sendings.filter(({ how, againAfterMs }) => how !== 'inOrder' || againAfterMs !== undefined);
    assert.ok(Math.abs(again.length / sendings.length - 1 / 3) < 0.05);
    assert.ok(actions.every((action) => action.atMs + action.forMs <= loadMs));
  });
});
