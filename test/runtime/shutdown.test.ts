import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createLog } from '../../src/runtime/log.ts';
import { createShutdown } from '../../src/runtime/shutdown.ts';

function setup() {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: 'debug',
    program: 'test',
    secrets: [],
    write: (line) => lines.push(JSON.parse(line)),
  });
  return { shutdown: createShutdown(log), lines };
}

test('the step added last runs first, one after the other', async () => {
  const { shutdown } = setup();
  const order: string[] = [];
  shutdown.step('database', () => order.push('database'));
  shutdown.step('queue', async () => {
    order.push('queue begins');
    await new Promise((resolve) => setImmediate(resolve));
    order.push('queue');
  });
  await shutdown.run('test');
  assert.deepEqual(order, ['queue begins', 'queue', 'database']);
});

test('the signal aborts before the first step, with the reason', async () => {
  const { shutdown } = setup();
  let reason: unknown;
  shutdown.step('loop', () => {
    reason = shutdown.signal.reason;
  });
  assert.equal(shutdown.signal.aborted, false);
  await shutdown.run('SIGTERM');
  assert.match(String(reason), /closing: SIGTERM/);
});

test('a step that fails, at once or later, is logged and the next steps run', async () => {
  const { shutdown, lines } = setup();
  let closed = false;
  shutdown.step('last', () => {
    closed = true;
  });
  shutdown.step('rejects', () => Promise.reject(new Error('no')));
  shutdown.step('throws', () => {
    throw new Error('never');
  });
  await shutdown.run('test');
  assert.equal(closed, true);
  const failed = lines.filter(({ msg }) => msg === 'shutdown: step failed').map(({ step }) => step);
  assert.deepEqual(failed, ['throws', 'rejects']);
});

test('a step that hangs is left behind at its limit and logged', async () => {
  const { shutdown, lines } = setup();
  let closed = false;
  shutdown.step('last', () => {
    closed = true;
  });
  shutdown.step('hangs', () => new Promise(() => {}), 20);
  await shutdown.run('test');
  assert.equal(closed, true);
  assert.match(JSON.stringify(lines.find(({ step }) => step === 'hangs')), /no response within/);
});

test('a second call waits for the first, and the steps run once', async () => {
  const { shutdown } = setup();
  let times = 0;
  let open = true;
  shutdown.step('once', async () => {
    times += 1;
    await new Promise((resolve) => setImmediate(resolve));
    open = false;
  });
  const first = shutdown.run('one');
  await shutdown.run('two');
  assert.equal(open, false);
  await first;
  assert.equal(times, 1);
});

/** A program that closes on signals and prints what it does; its last step takes as long as `step`. */
async function startProgram(step: string) {
  const shutdown = new URL('../../src/runtime/shutdown.ts', import.meta.url).href;
  const program = `
    import { closeOnSignals, createShutdown } from ${JSON.stringify(shutdown)};
    const shutdown = createShutdown({ debug() {}, info() {}, warn() {} });
    shutdown.step('work', () => { console.log('closing'); return ${step}; });
    closeOnSignals(shutdown);
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8');
  const exit = once(child, 'exit');
  assert.match(String(await once(child.stdout, 'data')), /ready/);
  return { child, exit, printed: () => once(child.stdout, 'data') };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} closes and exits with 0`, async () => {
    const { child, exit } = await startProgram('Promise.resolve()');
    child.kill(signal);
    assert.deepEqual(await exit, [0, null]);
  });
}

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  test(`a second ${signal} exits at once with ${code}`, async () => {
    const { child, exit, printed } = await startProgram('new Promise(() => {})');
    const closing = printed();
    child.kill(signal);
    assert.match(String(await closing), /closing/);
    child.kill(signal);
    assert.deepEqual(await exit, [code, null]);
  });
}
