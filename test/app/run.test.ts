/** A start that fails prints one sentence. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listenError, requireShared, StartError, startFailureOf } from '../../src/app/run.ts';
import { DatabaseUnavailableError } from '../../src/catalogue/database/database.ts';
import { FolderInUseError } from '../../src/runtime/disk/folder-lock.ts';

const SERVER = fileURLToPath(new URL('../../src/server/main.ts', import.meta.url));

async function start(env: Record<string, string>): Promise<{ code: number | null; stderr: string }> {
  const cwd = await mkdtemp(join(tmpdir(), 'wma-run-'));
  const child = spawn(process.execPath, [SERVER], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  await rm(cwd, { recursive: true });
  return { code, stderr };
}

describe('a program that cannot start', () => {
  it('names the variables that are missing, without a stack, and exits with 78', async () => {
    const { code, stderr } = await start({});
    assert.equal(code, 78);
    assert.match(stderr, /DATABASE_URL is missing.*npm start/);
    assert.match(stderr, /S3_BUCKET is missing/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it('prints every mistake of the configuration', async () => {
    const { code, stderr } = await start({ PORT: 'eighty', LOG_LEVEL: 'loud' });
    assert.equal(code, 78);
    assert.match(stderr, /PORT/);
    assert.match(stderr, /LOG_LEVEL/);
  });

  it('names a known cause, and prints the stack of an unknown one', () => {
    assert.deepEqual(startFailureOf('server', new StartError('do this')), { exitCode: 78, text: 'do this' });
    assert.equal(startFailureOf('server', new FolderInUseError('/data')).exitCode, 78);
    const away = new DatabaseUnavailableError('x', {
      cause: new Error('connect ECONNREFUSED postgres://u:pass@db'),
    });
    const { exitCode, text } = startFailureOf('server', away);
    assert.equal(exitCode, 1);
    assert.match(text, /DATABASE_URL does not respond/);
    assert.ok(!text.includes('pass@'));
    assert.match(startFailureOf('server', new Error('odd')).text, /odd\n\s+at /);
    assert.equal(startFailureOf('server', 'thrown').exitCode, 1);
  });

  it('explains the errors of listening', () => {
    const at = { host: '10.9.8.7', port: 80, portVariable: 'PORT' };
    const of = (code: string) => (listenError(Object.assign(new Error(), { code }), at) as Error).message;
    assert.match(of('EADDRINUSE'), /Port 80 .*PORT/);
    assert.match(of('EACCES'), /PORT/);
    assert.match(of('EADDRNOTAVAIL'), /HOST/);
    const other = new Error('other');
    assert.equal(listenError(other, at), other);
  });

  it('starts where nothing is embedded', () => {
    const shape = { database: 'postgres', queue: 'redis', store: 's3', wechat: 'real' } as const;
    requireShared({ shape }, 'npm run server');
    assert.throws(() => requireShared({ shape: { ...shape, store: 'embedded' } }, 'x'), /S3_BUCKET/);
  });
});
