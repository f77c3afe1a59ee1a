import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../src/simulator/main.ts', import.meta.url));

function start(t: TestContext, ...options: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

it('npm run simulator prints the settings, responds, and exits at SIGTERM', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'simulator-'));
  t.after(() => rm(folder, { recursive: true }));
  const accountsFile = join(folder, 'accounts.json');
  const child = start(t, '--port', '0', '--accounts-file', accountsFile);
  let output = '';
  for await (const piece of child.stdout.setEncoding('utf8')) {
    output += piece;
    if (output.includes('docs/simulator.md')) break;
  }
  const url = /^WECHAT_API_BASE_URL=(http:\/\/127\.0\.0\.1:\d+)$/m.exec(output)?.[1];
  assert.ok(url, output);
  for (const name of ['WECOM_API_BASE_URL', 'WECHAT_VIDEO_BASE_URL'])
    assert.ok(output.includes(`\n${name}=${url}\n`), `${name}: ${output}`);
  assert.match(output, /^FETCH_ALLOW_HOSTS=127\.0\.0\.1:\d+$/m);
  const accounts = JSON.parse(await readFile(accountsFile, 'utf8')) as { product: string; secret: string }[];
  assert.deepEqual(
    accounts.map(({ product }) => product),
    ['official', 'miniprogram', 'wecom'],
  );
  const { corpId, secret } = accounts[2] as unknown as { corpId: string; secret: string };
  const response = await fetch(`${url}/cgi-bin/gettoken?corpid=${corpId}&corpsecret=${secret}`);
  assert.equal(((await response.json()) as { errcode: number }).errcode, 0);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

it('npm run simulator refuses unknown options and prints its usage', async (t) => {
  for (const options of [['--port', '99999'], ['--nonsense'], ['--send-to', 'here']]) {
    const child = start(t, ...options);
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (piece) => {
      output += piece;
    });
    assert.deepEqual(await once(child, 'close'), [64, null]);
    assert.match(output, /Usage: npm run simulator/);
  }
});
