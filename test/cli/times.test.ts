/** Every option of `wma` that accepts a time accepts a date and a duration. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';
import { startHttpServer } from '../wechat/servers.ts';
import { runWma } from './wma.ts';

const HOUR_MS = 3_600_000;
const nowhere = { write: () => true } as unknown as NodeJS.WriteStream;

describe('a time on the command line', () => {
  const program = buildProgram({
    stdin: process.stdin,
    stdout: nowhere,
    stderr: nowhere,
    settings: () => assert.fail('no settings are needed'),
    exit: () => {},
    onInterrupt: () => {},
  });
  const options = program.commands.flatMap((command: Command) =>
    command.options
      .filter(({ flags }) => flags.includes('<time>'))
      .map((option) => [`${command.name()} ${option.long}`, option] as const),
  );

  it('is accepted by several options', () => assert.ok(options.length >= 10));
  for (const [name, option] of options) {
    it(`may be a duration: ${name}`, () => {
      const ahead = /--(until|expires-before)$/.test(name);
      const at = Date.parse(String(option.parseArg!('2h', undefined)));
      const expected = Date.now() + (ahead ? 2 : -2) * HOUR_MS;
      assert.ok(Math.abs(at - expected) < 60_000, new Date(at).toISOString());
      assert.equal(option.parseArg!('2026-11-20', undefined), '2026-11-20T00:00:00.000Z');
      assert.throws(() => option.parseArg!('5', undefined), /2026-11-20.*24h/);
    });
  }

  it('arrives at the server as a date: hold --until 1h', async (t) => {
    const server = await startHttpServer(t, (_request, response) =>
      response.end('{"account":"wx1","hold":null}'),
    );
    const args = ['hold', 'shop', '--reason', 'why', '--until', '1h', '--url', server.url, '--key', 'a-key'];
    const { code, stderr } = await runWma(args, { env: {} });
    assert.equal(code, 0, stderr);
    const { until } = JSON.parse(server.requests[0]!.body);
    assert.ok(Math.abs(Date.parse(until) - Date.now() - HOUR_MS) < 60_000, until);
  });
});
