import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, formatForTerminal } from '../../src/runtime/log.ts';

function linesOf(write: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  write(createLog({ level: 'info', program: 'test', secrets: [], write: (line) => lines.push(line) }));
  return lines;
}

test('a log line is JSON with time, level and program', () => {
  const [line] = linesOf((log) => log.info({ id: 'm_1' }, 'archived'));
  const { level, program, id, msg } = JSON.parse(line!);
  assert.deepEqual({ level, program, id, msg }, { level: 30, program: 'test', id: 'm_1', msg: 'archived' });
});

test('on a terminal a log line is one short line', () => {
  const [line] = linesOf((log) => log.info({ id: 'm_1', failure: { code: 'x' } }, 'a try failed'));
  assert.match(
    formatForTerminal(line!),
    /^\d\d:\d\d:\d\d {2}a try failed {2}id=m_1 {2}failure={"code":"x"}\n$/,
  );
});

test('on a terminal a warning shows its cause and an error its stack', () => {
  const [warning, error] = linesOf((log) => {
    log.warn({ err: new Error('away') }, 'feeding is interrupted');
    log.error({ err: new Error('broken') }, 'unexpected');
  });
  assert.match(formatForTerminal(warning!), /WARN {2}feeding is interrupted {2}away\n$/);
  assert.match(formatForTerminal(error!), /ERROR unexpected {2}Error: broken\n {4}at /);
});

test('a line that is no JSON object stays as it is', () =>
  assert.equal(formatForTerminal('plain\n'), 'plain\n'));
