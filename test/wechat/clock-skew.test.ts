import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSkewWatch } from '../../src/wechat/clock-skew.ts';
import { account, NOW, plainQuery } from './vectors.ts';

test('a wrong clock is said once, with its seconds, and again when it is right', () => {
  const lines: [object, string][] = [];
  const log = {
    warn: (...line: [object, string]) => lines.push(line),
    info: (...line: [object, string]) => lines.push(line),
  };
  const watch = createSkewWatch({ log: log as never });
  const sawAt = (seconds: number) =>
    watch.saw(account(), plainQuery(), new Date(NOW.getTime() + seconds * 1000));
  sawAt(5);
  sawAt(300);
  sawAt(0);
  assert.equal(lines.length, 0, 'one late callback is no wrong clock');
  for (let time = 0; time < 6; time++) sawAt(-400);
  assert.equal(lines.length, 1);
  assert.match(lines[0]![1], /clock of this server is 400 seconds behind WeChat's/);
  sawAt(1);
  assert.match(lines[1]![1], /agrees with WeChat's again/);
  watch.saw(account(), { timestamp: 'x' }, NOW);
  watch.saw(account(), { timestamp: ['1'] }, NOW);
  assert.equal(lines.length, 2);
});
