/** What happens where TLS is refused, with real certificates, a real Postgres and a real Redis. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startFailureOf } from '../../../src/app/run.ts';
import { createDatabase, DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { createClient } from '../../../src/cli/client.ts';
import { withAuthority } from '../../../src/config/authorities.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { FailureError } from '../../../src/failures.ts';
import { openArchiveQueue } from '../../../src/queue/queue.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { secureContextOf } from '../../../src/runtime/network/tls-context.ts';
import { createUpstream } from '../../../src/server/callbacks/upstream.ts';
import { createStore } from '../../../src/storage/store.ts';
import { TLS_PLACES } from '../../../src/tls-failures.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { explain } from '../../../src/wechat/api/errcodes.ts';
import { createJsonClient } from '../../../src/wechat/http/json-client.ts';
import { createDownloader } from '../../../src/wechat/media/download.ts';
import { createRedisTokenSource } from '../../../src/wechat/tokens/redis-source.ts';
import { certificatesForTest, type KeyPair } from '../../machine/certificates.ts';
import { onPostgres } from '../../machine/postgres.ts';
import { createTestServer, freePort } from '../../machine/server.ts';
import { startPostgres } from '../../machine/services.ts';
import { account } from '../../wechat/callback/vectors.ts';

const { signal } = new AbortController();
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ASKED = { account: account(), token: 'TOKEN-0123456789', mediaId: 'media-1', kind: 'video' } as const;

async function listening(t: TestContext, server: ReturnType<typeof createServer | typeof createHttpServer>) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serverOf = (t: TestContext, pair: KeyPair, text = '{"access_token":"t0ken","expires_in":7200}') =>
  listening(
    t,
    createServer(pair, (_request, response) => response.end(text)),
  );

const reasonOf = (trying: Promise<unknown>): Promise<unknown> =>
  trying.then(
    () => assert.fail('it came through'),
    (reason: unknown) => reason,
  );

async function failureOf(trying: Promise<unknown>): Promise<FailureError['failure']> {
  const error = await reasonOf(trying);
  assert.ok(error instanceof FailureError, String(error));
  return error.failure;
}

/** Each kind of bad certificate: the reason in failures' codes, and what the advice must name. */
async function badServers(t: TestContext) {
  const certificates = await certificatesForTest(t);
  if (!certificates) return undefined;
  const plain = await listening(
    t,
    createHttpServer((_request, response) => response.end('plain')),
  );
  const rows = [
    ['expired', await serverOf(t, certificates.expired), /NTP/],
    ['not_yet_valid', await serverOf(t, certificates.notYetValid), /NTP/],
    ['other_host', await serverOf(t, certificates.otherHost), /host name/],
    ['untrusted', await serverOf(t, certificates.selfSigned), /_CA_/],
    ['no_tls', plain, /http/],
  ] as const;
  return { certificates, rows, authority: secureContextOf(certificates.authority) };
}

test('WeChat: the account is held with a reason of its own; the certificate of a link costs attempts', async (t) => {
  const bad = await badServers(t);
  if (!bad) return;
  const open = (port: number, secureContext: typeof bad.authority) => {
    const baseUrl = `https://127.0.0.1:${port}`;
    const api = createWechatApi({ baseUrl, secureContext });
    const downloader = createDownloader({
      baseUrl,
      videoBaseUrl: 'http://127.0.0.1:1',
      secureContext,
      allowHosts: ['127.0.0.1'],
      idleTimeoutMs: 5_000,
      totalTimeoutMs: 10_000,
      maxMediaBytes: 1_000_000,
      log: { warn: () => assert.fail('the token travels in clear') },
    });
    t.after(() => Promise.all([api.close(), downloader.close()]));
    return { api, downloader, link: { url: `${baseUrl}/a`, source: 'pic_url', kind: 'image' } as const };
  };
  const good = await serverOf(t, bad.certificates.good);
  const known = open(good, bad.authority);
  assert.equal((await known.api.requestToken(account(), signal)).value, 't0ken');
  const unknown = open(good, undefined);
  assert.equal((await failureOf(unknown.api.requestToken(account(), signal))).code, 'tls_untrusted');
  for (const [reason, port, advice] of bad.rows) {
    const { api, downloader, link } = open(port, bad.authority);
    for (const attempt of [() => api.requestToken(account(), signal), () => downloader.open(ASKED, signal)]) {
      const failure = await failureOf(attempt());
      assert.deepEqual([failure.code, failure.class], [`tls_${reason}`, 'account'], failure.detail);
      assert.match(explain(failure).advice.en, advice);
      assert.match(JSON.stringify(explain(failure)), /WECHAT_(API_BASE_URL|CA_FILE)/);
    }
    const failure = await failureOf(downloader.openLink(link, signal));
    assert.deepEqual([failure.code, failure.class], [`tls_${reason}`, 'transient']);
  }
});

test('the store: the detail of the failure has the reason and names the variable', async (t) => {
  const bad = await badServers(t);
  if (!bad) return;
  const open = (port: number, secureContext: typeof bad.authority) => {
    const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
    const place = { bucket: 'bucket', region: 'us-east-1', addressing: 'path', prefix: '' } as const;
    const endpoint = `https://127.0.0.1:${port}`;
    const store = createStore({ ...place, ...keys, endpoint, secureContext, clock: systemClock });
    t.after(() => store.close());
    return store;
  };
  const good = await serverOf(t, bad.certificates.good);
  await open(good, bad.authority).head('key', signal);
  for (const [, port, advice] of [...bad.rows, ['untrusted', good, /S3_CA_FILE/] as const]) {
    const failure = await failureOf(open(port, undefined).head('key', signal));
    assert.match(failure.code, /^(store_tls|clock_skewed)$/);
    assert.match(failure.detail ?? '', port === good ? advice : /certificate|TLS/);
    assert.match(failure.detail ?? '', /S3_(ENDPOINT|CA_FILE)/);
  }
});

test('alerts, handlers and the command line report it in a sentence that names their variable', async (t) => {
  const bad = await badServers(t);
  if (!bad) return;
  const port = await serverOf(t, bad.certificates.expired);
  const url = `https://127.0.0.1:${port}`;
  const http = createJsonClient({ tlsPlace: TLS_PLACES.alerts });
  const upstream = createUpstream();
  t.after(() => Promise.all([http.close(), upstream.close()]));
  const alert = await failureOf(http.send({ url, where: 'ALERT_URL', body: {} }, signal));
  const callback = { query: '', headers: {}, body: Buffer.alloc(0) };
  const handler = await reasonOf(upstream.post(url, callback, signal));
  const client = createClient({ url, key: undefined, keyFile: '', language: 'en', signal });
  const terminal = await reasonOf(client.request('GET', '/v1/stats'));
  for (const [words, variable] of [
    [alert.detail, 'ALERT_URL'],
    [String(handler), 'upstreamUrl'],
    [String(terminal), 'WMA_URL'],
  ] as const) {
    // Signed by an authority that is unknown here: OpenSSL reports the first problem it finds.
    assert.match(words ?? '', new RegExp(`(untrusted|expired|authority).*${variable}`, 's'));
    assert.match(words ?? '', /NODE_EXTRA_CA_CERTS|NTP/);
  }
});

test('Redis: the queue reports why it is unavailable, and works with REDIS_CA_FILE', async (t) => {
  const program = process.env.TEST_REDIS_SERVER;
  const certificates = await certificatesForTest(t);
  if (!certificates || !program?.startsWith('/')) return t.skip('no redis-server on this machine');
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'redis-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const url = `rediss://127.0.0.1:${port}`;
  const { certFile, keyFile } = certificates.good;
  const args = `--port 0 --tls-port ${port} --bind 127.0.0.1 --tls-cert-file ${certFile} --tls-key-file ${keyFile} --tls-auth-clients no --save`;
  const open = async (secureContext: ReturnType<typeof secureContextOf>) => {
    const lines: string[] = [];
    const log = createLog({ level: 'warn', program: 'test', secrets: [], write: (line) => lines.push(line) });
    const queue = await openArchiveQueue({ kind: 'redis', url, prefix: '{tls}', secureContext }, { log });
    t.after(() => queue.close());
    return { queue, lines };
  };
  const server = createTestServer(url, { program, args: [...args.split(' '), ''], cwd: folder }, async () => {
    const { queue } = await open(secureContextOf(certificates.authority));
    await queue.counts(AbortSignal.timeout(2_000)).finally(() => queue.close());
  });
  await server.start();
  t.after(() => server.stop());
  const { lines, queue } = await open(undefined);
  await assert.rejects(queue.counts(AbortSignal.timeout(2_000)));
  assert.match(lines.join(''), /authority.*REDIS_CA_FILE/);
  const tokens = createRedisTokenSource(createLog({ level: 'silent', program: 'test', secrets: [] }));
  t.after(() => tokens.close());
  const failure = await failureOf(tokens.read({ type: 'redis', url, key: 'k' }, systemClock.now()));
  assert.match(failure.detail ?? '', /tokenSource/);
});

test('Postgres: a start reports why, exits with 78 for a wrong configuration, and waits for a valid certificate', async (t) => {
  const certificates = await certificatesForTest(t);
  const server = certificates && (await startPostgres(t));
  if (!server) return;
  const folder = (await onPostgres(server.url, 'SHOW data_directory')).rows[0]?.data_directory as string;
  const show = async (pair: KeyPair) => {
    const { uid, gid } = await stat(folder);
    for (const [from, to] of [
      [pair.certFile, 'server.crt'],
      [pair.keyFile, 'server.key'],
    ] as const) {
      await copyFile(from, join(folder, to));
      await chown(join(folder, to), uid, gid);
    }
    await onPostgres(server.url, "ALTER SYSTEM SET ssl = 'on'");
    await onPostgres(server.url, 'SELECT pg_reload_conf()');
  };
  const ask = async (url: string) => {
    const log = createLog({ level: 'silent', program: 'test', secrets: [] });
    const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 1, log });
    return await createDatabase(pool)
      .query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
      .then((rows) => rows[0]?.ssl)
      .catch((error: unknown) => error)
      .finally(() => pool.end());
  };
  const secure = `${server.url}?sslmode=verify-full`;
  const trusted = withAuthority(server.url, certificates.authorityFile)!;
  const refused = async (url: string, exitCode: number, words: RegExp) => {
    const error = await ask(url);
    // While the program runs it is a database that is away: callbacks go to the spool.
    assert.ok(error instanceof DatabaseUnavailableError, String(error));
    const last = startFailureOf('server', error);
    assert.deepEqual([last.exitCode, words.test(last.text)], [exitCode, true], last.text);
    assert.doesNotMatch(last.text, /unexpectedly/);
  };
  await refused(secure, 78, /does not support TLS.*DATABASE_URL/);
  await show(certificates.good);
  const deadline = performance.now() + 10_000;
  while ((await ask(trusted)) !== true)
    assert.ok(performance.now() < deadline, 'Postgres does not speak TLS');
  await refused(secure, 78, /authority.*DATABASE_CA_FILE/);
  assert.deepEqual(
    startFailureOf('server', await ask(`${server.url}?sslmode=verify-full&sslrootcert=/no/such.pem`))
      .exitCode,
    78,
  );

  const start = (more: Record<string, string>) => {
    const env = {
      PATH: process.env.PATH,
      NODE_NO_WARNINGS: '1',
      DATABASE_URL: secure,
      S3_BUCKET: 'bucket',
      S3_ENDPOINT: 'http://127.0.0.1:1',
      S3_ACCESS_KEY_ID: 'id',
      S3_SECRET_ACCESS_KEY: 'the-secret-of-the-key',
      WECHAT_APP_ID: 'wx0123456789abcdef',
      WECHAT_APP_SECRET: '0123456789abcdef0123456789abcdef',
      WECHAT_TOKEN: 'the-token',
      PORT: '0',
      DATA_DIR: folder,
      ...more,
    };
    const child = spawn(process.execPath, [join(ROOT, 'workers/sweep.ts')], { env, cwd: tmpdir() });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    const printed = Promise.withResolvers<string>();
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk;
      if (/sweeper: started|has expired/.test(text)) printed.resolve(text);
    });
    const ended = once(child, 'exit').then(([code]) => ({ code: code as number, text }));
    return { child, printed: printed.promise, ended };
  };
  const untrusting = await start({}).ended;
  assert.equal(untrusting.code, 78, untrusting.text);
  assert.match(untrusting.text, /authority.*DATABASE_CA_FILE/);
  const trusting = start({ DATABASE_CA_FILE: certificates.authorityFile });
  assert.match(
    await Promise.race([trusting.printed, trusting.ended.then(({ text }) => text)]),
    /sweeper: started/,
  );
  await show(certificates.expired);
  const waiting = start({ DATABASE_CA_FILE: certificates.authorityFile });
  assert.match(
    await Promise.race([waiting.printed, waiting.ended.then(({ text }) => `ended: ${text}`)]),
    /certificate of the database has expired.*DATABASE_URL/,
  );
  assert.equal(waiting.child.exitCode, null);
});

test('an authority of a _CA_FILE is trusted in addition to those that Node trusts', async (t) => {
  const certificates = await certificatesForTest(t);
  const others = await certificatesForTest(t);
  if (!certificates || !others) return;
  const port = await serverOf(t, certificates.good, 'through');
  const modules = [
    '../../../src/runtime/network/tls-context.ts',
    '../../../src/wechat/http/json-client.ts',
  ].map((path) => new URL(path, import.meta.url).href);
  const script = `const [{ secureContextOf }, { createJsonClient }] = await Promise.all(${JSON.stringify(modules)}.map((m) => import(m)));
    const http = createJsonClient({ secureContext: secureContextOf(${JSON.stringify(others.authority)}) });
    const { text } = await http.send({ url: 'https://127.0.0.1:${port}', where: 'x' }, new AbortController().signal);
    process.stdout.write(text);
    http.close();`;
  const env = {
    PATH: process.env.PATH,
    NODE_NO_WARNINGS: '1',
    NODE_EXTRA_CA_CERTS: certificates.authorityFile,
  };
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env, timeout: 20_000 });
  const text = (await child.stdout.toArray()).join('');
  assert.equal(text, 'through');
});

test('a _CA_FILE without a certificate is a mistake in the configuration', async (t) => {
  const certificates = await certificatesForTest(t);
  if (!certificates) return;
  const wrong = (env: Record<string, string>) => {
    try {
      loadConfig(env, { dotEnvFolder: '/nonexistent' });
    } catch (error) {
      return String(error);
    }
    return 'it is taken';
  };
  assert.match(wrong({ S3_CA_FILE: '/no/such.pem' }), /S3_CA_FILE cannot be read/);
  assert.match(
    wrong({ WECHAT_CA_FILE: certificates.good.keyFile }),
    /WECHAT_CA_FILE contains no certificate/,
  );
  assert.match(
    wrong({
      REDIS_CA_FILE: certificates.authorityFile,
      REDIS_URL: 'redis://localhost',
      DATABASE_URL: 'postgres://x@y/z',
    }),
    /REDIS_CA_FILE is set, but REDIS_URL does not use TLS/,
  );
  assert.equal(wrong({ WECHAT_CA_FILE: certificates.authorityFile }), 'it is taken');
});
