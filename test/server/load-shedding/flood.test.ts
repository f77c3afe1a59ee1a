/** A flood of unsigned callbacks: signed ones are hardly later, and the log stays short. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openTestServer, PLAIN, type TestServer } from '../setup.ts';

const RUN = fileURLToPath(new URL('../../../bin/run.js', import.meta.url));
const FLOOD_MS = 4_000;

describe('a flood of unsigned callbacks', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  let serial = 0;
  /** How long a signed callback with a media takes, the row included. */
  async function signedMs(): Promise<number> {
    const body = `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>flood-${serial++}</MediaId></xml>`;
    const startedMs = performance.now();
    assert.equal(await (await s.callback(body, { account: PLAIN.account })).text(), 'success');
    return performance.now() - startedMs;
  }
  // The median: single ones are late on a busy machine without a flood, too.
  const medianOf = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;

  it('delays a signed one by less than a second and writes no more than a few lines', async () => {
    const quiet: number[] = [];
    for (let n = 0; n < 20; n++) quiet.push(await signedMs());
    const child = spawn(process.execPath, [RUN, 'test/server/load-shedding/flooding.ts', s.url, '50'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let told = '';
    child.stdout.on('data', (text) => {
      told += text;
    });
    try {
      const refused = async () =>
        /bad_signature"\} (\d+)/.exec(await s.context.metrics.registry.metrics())?.[1];
      const startUntil = performance.now() + 30_000;
      while (!(await refused())) {
        assert.ok(performance.now() < startUntil, 'the flood has begun');
        await signedMs();
      }
      const flooded: number[] = [];
      const until = performance.now() + FLOOD_MS;
      while (performance.now() < until || flooded.length < 10) flooded.push(await signedMs());
      const delayMs = medianOf(flooded) - medianOf(quiet);
      assert.ok(delayMs < 1_000, `${Math.round(delayMs)} ms later: ${flooded.map(Math.round)}`);
    } finally {
      child.kill('SIGTERM');
      await closed;
    }
    assert.ok(Number(told) > 200, `a flood of ${told}`);
    const lines = s.log.filter((line) => /callbacks: refused/.test(line));
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} lines for ${told} callbacks`);
    const others = s.log.filter((line) => JSON.parse(line).level >= 40 && !lines.includes(line));
    assert.deepEqual(others, []);
  });
});
