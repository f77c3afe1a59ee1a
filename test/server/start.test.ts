/** Starting the server: keys, ports, the printed message, and errors. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadKeys } from '../../src/server/auth/api-key-file.ts';
import { mayShowLoginLink, startMessage } from '../../src/server/start/message.ts';
import { openServer } from '../../src/server/start.ts';
import { openTestServer, PLAIN, type TestServer } from './setup.ts';

describe('the generated key', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wma-keys-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is readable only by its owner, is used again, and is the same for two concurrent starts', async () => {
    const config = { apiKeys: [], dataFolder: join(folder, 'new') };
    const [first, second] = await Promise.all([loadKeys(config), loadKeys(config)]);
    assert.deepEqual(first, second);
    assert.deepEqual(await loadKeys(config), first);
    assert.equal((await readFile(first.file as string, 'utf8')).trim(), first.keys[0]?.secret);
    assert.equal((await stat(first.file as string)).mode & 0o777, 0o600);
    assert.deepEqual(first.keys[0]?.scopes, ['read', 'write', 'admin']);
  });

  it('is not generated where keys are configured', async () => {
    const keys = [{ name: 'k', scopes: ['read'], secret: 'sixteen-characters' }] as const;
    assert.deepEqual(await loadKeys({ apiKeys: keys, dataFolder: '/nowhere' }), { keys });
  });

  it('stops the start with advice if its file is empty', async () => {
    await writeFile(join(folder, 'api-key'), '\n');
    await assert.rejects(loadKeys({ apiKeys: [], dataFolder: folder }), {
      exitCode: 78,
      message: /Remove the file/,
    });
  });
});

describe('the server', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer({ http: { callbackPort: 0 } });
  });
  after(() => s.close());

  it('serves only /wechat/ on the callback port', async () => {
    const { callbackUrl = '' } = s.server;
    assert.equal(
      (
        await fetch(s.callbackUrl(callbackUrl), {
          method: 'POST',
          body: '<xml><MsgType>text</MsgType></xml>',
        })
      ).status,
      200,
    );
    for (const path of ['/', '/v1/media', '/login', '/livez', '/metrics', '/queues']) {
      assert.equal((await fetch(callbackUrl + path)).status, 404, path);
    }
  });

  it('names the port that is in use, and the variable to change', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const { config } = s.context;
    for (const [http, variable] of [
      [{ port }, 'PORT'],
      [{ callbackPort: port }, 'CALLBACK_PORT'],
    ] as const) {
      const context = { ...s.context, config: { ...config, http: { ...config.http, ...http } } };
      await assert.rejects(openServer(context, { keys: [] }), {
        exitCode: 78,
        message: `Port ${port} on 127.0.0.1 is used by another program. Stop that program, or set ${variable} to another port.`,
      });
    }
    other.close();
  });

  it('prints all addresses, with PUBLIC_URL and without', () => {
    const { config } = s.context;
    const real = { ...s.context, config: { ...config, shape: { ...config.shape, wechat: 'real' as const } } };
    const text = startMessage(real, s.server, { showLoginLink: true, keyFile: '/data/api-key' });
    assert.ok(text.includes(`${s.url}/login?ticket=`));
    assert.ok(text.includes(`${s.server.callbackUrl}/wechat/${PLAIN.account}  (shop)`));
    assert.ok(text.includes('/data/api-key'));
    assert.match(text, /set PUBLIC_URL/);
    assert.doesNotMatch(
      startMessage(s.context, s.server, { showLoginLink: true }),
      /set PUBLIC_URL/,
      'the simulated WeChat is on this machine',
    );
    const http = { ...config.http, publicUrl: 'https://media.example.com' };
    const known = startMessage({ ...real, config: { ...real.config, http } }, s.server, {
      showLoginLink: false,
    });
    assert.doesNotMatch(known, /ticket/);
    assert.match(known, /wma login/);
    assert.ok(known.includes(`https://media.example.com/wechat/${PLAIN.account}`));
    assert.doesNotMatch(known, /set PUBLIC_URL|^ {2}API key/m);
  });

  it('prints a login link on a terminal and with the embedded database, never into a log of production', () => {
    const { config } = s.context;
    const shared = { ...config, shape: { ...config.shape, database: 'postgres' as const } };
    const terminal = { isTTY: true };
    for (const [of, output, shown] of [
      [config, {}, true],
      [{ ...config, production: true }, {}, false],
      [shared, {}, false],
      [{ ...shared, production: true }, {}, false],
      [{ ...shared, production: true }, terminal, true],
      [{ ...config, production: true }, terminal, true],
    ] as const)
      assert.equal(mayShowLoginLink(of, output), shown);
  });
});
