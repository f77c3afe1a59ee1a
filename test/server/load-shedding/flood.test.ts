/** A flood of unsigned callbacks hardly delays signed ones, and writes few log lines. */
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
  /** How long a signed callback takes, including its row. */
  async function signedMs(): Promise<number> {
    const body = `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>flood-${serial++}</MediaId></xml>`;
    const startedMs = performance.now();
    // WeChat too sends a callback up to three times; on a busy machine one may not be written in 4 s.
    for (let attempt = 1; ; attempt++) {
      const response = await s.callback(body, { account: PLAIN.account });
      const text = await response.text();
      if (text === 'success') return performance.now() - startedMs;
      assert.ok(response.status === 503 && attempt < 3, text);
    }
  }
  // The median, because single ones are late on a busy machine also without a flood.
  const medianOf = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;

  it('delays signed ones by less than a second and writes at most three log lines', async () => {
    const quiet: number[] = [];
    for (let n = 0; n < 20; n++) quiet.push(await signedMs());
    const child = spawn(process.execPath, [RUN, 'test/server/load-shedding/flooding.ts', s.url, '50'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let count = '';
    child.stdout.on('data', (text) => {
      count += text;
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
    assert.ok(Number(count) > 200, `a flood of ${count}`);
    const lines = s.log.filter((line) => /callbacks: refused/.test(line));
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} lines for ${count} callbacks`);
    const others = s.log.filter((line) => JSON.parse(line).level >= 40 && !lines.includes(line));
    assert.deepEqual(others, []);
  });
});
