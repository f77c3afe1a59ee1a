import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { listenError, startFailureOf } from '../../src/app/run.ts';
import { DatabaseUnavailableError } from '../../src/catalogue/database/database.ts';
import { explainUnavailable } from '../../src/catalogue/database/other-protocol.ts';
import { loadConfig } from '../../src/config/config.ts';
import { postgresForTest, redisForTest } from '../machine/services.ts';

/** The error of the operating system for listening there. */
async function refusalOf(host: string, port: number): Promise<unknown> {
  const server = createServer();
  server.listen(port, host);
  return await once(server, 'listening').then(
    () => server.close(),
    (error: unknown) => error,
  );
}

describe('a listening address that cannot be used', () => {
  test('is reported with the variable that names the port', async (t) => {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    t.after(() => first.close());
    const { port } = first.address() as { port: number };
    const at = { host: '127.0.0.1', port, portVariable: 'CALLBACK_PORT' };
    const { exitCode, text } = startFailureOf('it', listenError(await refusalOf('127.0.0.1', port), at));
    assert.equal(exitCode, 78);
    assert.equal(
      text,
      `Port ${port} on 127.0.0.1 is used by another program. Stop that program, or set CALLBACK_PORT to another port.`,
    );
  });

  test('is reported for a host that is not an address of this machine', async () => {
    const at = { host: '192.0.2.1', port: 1, portVariable: 'PORT' };
    const { text } = startFailureOf('it', listenError(await refusalOf('192.0.2.1', 0), at));
    assert.match(text, /^192\.0\.2\.1 is not an address of this machine\. Set HOST/);
  });
});

describe('the error of a program that cannot start', () => {
  test('names the path that cannot be used, and has no stack', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'last-words-'));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, 'file');
    await writeFile(file, '');
    for (const start of [() => mkdir(file), () => mkdir(join(file, 'below')), () => writeFile(folder, '')]) {
      const error = await start().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const { exitCode, text } = startFailureOf('it', error);
      assert.equal(exitCode, 78);
      assert.match(text, new RegExp(`^${folder}.* cannot be used: .*Set DATA_DIR to a folder[^\\n]*$`));
    }
  });

  test('does not contain the password of the database', () => {
    const cause = new Error('connect postgres://u:hidden-password@db/x failed');
    const { exitCode, text } = startFailureOf('it', new DatabaseUnavailableError('away', { cause }));
    assert.equal(exitCode, 1);
    assert.match(text, /The database of DATABASE_URL does not respond/);
    assert.doesNotMatch(text, /hidden-password/);
  });

  test('shows the examples of a configuration mistake unchanged', () => {
    try {
      loadConfig({ NODE_ENV: 'production' }, { dotEnvFolder: '/nowhere' });
      assert.fail('it loaded');
    } catch (error) {
      assert.match(startFailureOf('it', error).text, /Example: DATABASE_URL=postgres:\/\/wma:\w+@/);
    }
  });

  test('contains the stack of an unexpected error', () => {
    const { exitCode, text } = startFailureOf('it', new TypeError('x is not a function'));
    assert.equal(exitCode, 1);
    assert.match(text, /^it failed unexpectedly: TypeError: x is not a function\n {4}at /);
  });
});

describe('a port of DATABASE_URL where another server listens', () => {
  const wordsAt = async (url: string) => {
    const away = new DatabaseUnavailableError('away', {
      cause: new Error('Connection terminated unexpectedly'),
    });
    return startFailureOf('it', await explainUnavailable(away, url).catch((reason: unknown) => reason));
  };

  test('is a mistake in the configuration, for a web server and for Redis', async (t) => {
    const web = createWebServer((_, response) => response.end()).listen(0, '127.0.0.1');
    await once(web, 'listening');
    t.after(() => web.close());
    const { port } = web.address() as { port: number };
    const redis = await redisForTest(t);
    const others = [`127.0.0.1:${port}`, ...(redis ? [new URL(redis.url).host] : [])];
    for (const host of others) {
      const { exitCode, text } = await wordsAt(`postgres://u@${host}/d`);
      assert.equal(exitCode, 78, host);
      assert.match(text, /does not speak the protocol of Postgres/);
    }
  });

  test('is distinguished from a database, and from a closed port', async (t) => {
    const database = await postgresForTest(t);
    if (!database) return;
    for (const url of [database, 'postgres://u@127.0.0.1:1/d', 'postgres://u@/d?host=/tmp']) {
      assert.equal((await wordsAt(url)).exitCode, 1, url);
    }
  });
});
