import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLog, type LogFormat } from '../../src/runtime/log.ts';

type Write = (log: ReturnType<typeof createLog>) => void;

function linesOf(write: Write, format?: LogFormat, secrets: string[] = []): string[] {
  const lines: string[] = [];
  write(createLog({ level: 'info', program: 'test', secrets, format, write: (line) => lines.push(line) }));
  return lines;
}

test('a log line is JSON with time, level and program', () => {
  const [line] = linesOf((log) => log.info({ id: 'm_1' }, 'archived'));
  const { level, program, id, msg } = JSON.parse(line!);
  assert.deepEqual({ level, program, id, msg }, { level: 30, program: 'test', id: 'm_1', msg: 'archived' });
});

describe('as text', () => {
  const textOf = (write: Write, secrets?: string[]) => linesOf(write, 'text', secrets);

  test('an entry is one short line with its fields', () => {
    const [line] = textOf((log) => log.info({ id: 'm_1', failure: { code: 'x' } }, 'attempt failed'));
    assert.match(line!, /^\[\d\d:\d\d:\d\d\] INFO: attempt failed {2}id=m_1 {2}failure=\{"code":"x"\}\n$/);
  });

  test('a warning shows its cause in the line, and an error its stack and its cause below it', () => {
    const [warning, error] = textOf((log) => {
      log.warn({ err: new Error('away') }, 'dispatcher: interrupted');
      log.error({ err: new Error('broken', { cause: new TypeError('why') }), id: 'm_1' }, 'unexpected');
    });
    assert.match(warning!, /^\[[\d:]+\] WARN: dispatcher: interrupted {2}away\n$/);
    assert.match(error!, /^\[[\d:]+\] ERROR: unexpected {2}id=m_1\n {4}Error: broken\n {8}at /);
    assert.match(error!, /\n {4}caused by: TypeError: why\n {8}at /);
  });

  test('hostile text moves no cursor and begins no line, in messages, fields, their names and stacks', () => {
    const hostile = 'a\r\n[08:00:00] INFO: forged\u001b[2J\u009b1A\u202egnp.exe\u2028x\u0007\u{e0041}\ud800';
    const lines = textOf((log) => {
      log.info({ [hostile]: hostile, deep: { [hostile]: [hostile] } }, hostile);
      log.warn({ err: new Error(hostile) }, 'w');
      log.error({ err: new Error(hostile, { cause: new Error(hostile) }) }, 'e');
    });
    const text = lines.join('');
    assert.doesNotMatch(text, /^\[08:00:00\]|^.*\n *\[08:00:00\]/);
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]|\u{e0041}|[\ud800]/u);
    assert.ok(text.includes('a\\r\\n[08:00:00] INFO: forged\\u001b[2J\\u009b1A\\u202egnp.exe\\u2028x'));
    assert.equal(lines[0]!.indexOf('\n'), lines[0]!.length - 1);
    assert.equal(lines[1]!.indexOf('\n'), lines[1]!.length - 1);
    for (const line of lines[2]!.split('\n').slice(1, -1)) assert.match(line, /^ {4}/);
  });

  test('there are no colours away from a terminal', () => {
    assert.doesNotMatch(textOf((log) => log.fatal({ a: 1 }, 'x')).join(''), /\u001b/);
  });

  test('text that is longer than a line of the terminal stays one line', () => {
    const [line] = textOf((log) => log.info({ text: 'x'.repeat(5000) }, 'long'));
    assert.equal(line!.split('\n').length, 2);
  });
});

describe('secrets are removed', () => {
  for (const format of ['json', 'text'] as const) {
    test(`from ${format}, configured ones and what looks like one`, () => {
      const secret = 'quo"ted\\secret-123';
      const text = linesOf(
        (log) => {
          log.info({ access_token: 'hidden-1', url: 'https://a/b?access_token=hidden-2' }, `with ${secret}`);
          log.info({ nested: { secret, headers: { authorization: 'Bearer hidden-3-hidden' } } }, 'x');
          log.error({ err: new Error(`GET https://b/c?ticket=hidden-4 ${secret}`) }, 'failed');
          log.warn({ err: new Error(`postgres://u:hidden-5@db/x ${secret}`) }, 'failed');
        },
        format,
        [secret],
      ).join('');
      assert.doesNotMatch(text, /hidden|ted\\+secret/);
      assert.ok(text.includes('[redacted]'));
    });
  }
});
