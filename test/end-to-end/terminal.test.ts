/** What a person sees on a terminal: a readable log, the table of the checks, and the link last. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { freePort } from '../machine/server.ts';
import { folderForTest, until } from './programs.ts';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
/** From util-linux: runs a command on a terminal of its own. */
const hasScript = spawnSync('script', ['--version']).status === 0;
const CTRL_C = '\u0003';

/** Starts everything on a terminal. */
function startOnTerminal(t: TestContext, folder: string, env: Record<string, string>) {
  // Node writes no colours where one of these says so.
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, CI: ____, ...inherited } = process.env;
  const command = `exec ${process.execPath} ${RUN} src/main.ts`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: { ...inherited, TERM: 'xterm-256color', LC_ALL: '', DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const closed = once(child, 'close');
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await closed;
  });
  return {
    text: () => text.replaceAll('\r\n', '\n'),
    until: (pattern: RegExp) => until(String(pattern), async () => pattern.test(text)),
    interrupt: async () => {
      child.stdin.write(CTRL_C);
      const [code] = await closed;
      return code as number;
    },
  };
}

test('on a terminal the log is readable, the checks are a table, and the link comes last', {
  skip: !hasScript && 'needs script of util-linux',
}, async (t) => {
  const folder = await folderForTest(t);
  const port = await freePort();
  const first = startOnTerminal(t, folder, { PORT: String(port), LANG: 'en_US.UTF-8' });
  await first.until(/Accounts[\s\S]*\/login\?ticket=\S+\s/);
  assert.match(first.text(), /\u001b\[32mok\u001b\[39m/);
  const seen = stripVTControlCharacters(first.text());
  assert.doesNotMatch(seen, /"level":/);
  assert.match(seen, /\n\[\d\d:\d\d:\d\d\] INFO: schema: migrated {2}migration=001_catalogue\.sql\n/);
  // The link is there before the database, and again as the last line.
  assert.match(seen, /creates the embedded database[\s\S]*\/login\?ticket=\S+\n[\s\S]*schema: migrated/);
  assert.match(
    seen,
    /\n {2}Database +ok .*\n {2}Queue +ok .*\n {2}Store +ok .*\n {2}Clock +ok .*\n {2}Accounts +ok [\s\S]*\n {2}Page .*\n {4}http:\S+\/login\?ticket=\S+\n\s*$/,
  );
  assert.equal(await first.interrupt(), 0, first.text());
  assert.match(stripVTControlCharacters(first.text()), /INFO: closed\n/, 'Ctrl-C closes once, not at once');

  const second = startOnTerminal(t, folder, { PORT: String(port), LANG: 'zh_CN.UTF-8', NO_COLOR: '1' });
  await second.until(/时钟[\s\S]*\/login\?ticket=\S+\s/);
  assert.equal(stripVTControlCharacters(second.text()), second.text(), 'NO_COLOR turns colours off');
  assert.match(
    second.text(),
    /\n {2}数据库 +正常 .*\n {2}队列 +正常 .*\n {2}对象存储 +正常 .*\n {2}时钟 +正常 /,
  );
  assert.match(second.text(), /\n {2}控制台（打开即登录；.*）\n {4}http:\S+\/login\?ticket=\S+\n\s*$/);
  assert.equal(await second.interrupt(), 0);
});
