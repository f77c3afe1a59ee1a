import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Config, ConfigError, loadConfig } from '../../src/config/config.ts';
import { configSecrets } from '../../src/config/values/secrets.ts';

function setup(t: TestContext, files: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'wma-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const load = (env: Record<string, string>): Config => loadConfig(env, { dotEnvFolder: folder });
  const mistakesOf = (env: Record<string, string>): string[] =>
    failureOf(env).mistakes.map((it) => it.variable);
  const failureOf = (env: Record<string, string>): ConfigError => {
    try {
      load(env);
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error;
    }
    throw new assert.AssertionError({ message: `accepted ${JSON.stringify(env)}` });
  };
  return { folder, load, failureOf, mistakesOf };
}

const ACCOUNT = {
  WECHAT_APP_ID: 'wx1',
  WECHAT_APP_SECRET: 'the-app-secret',
  WECHAT_TOKEN: 'the-callback-token',
};
const BUCKET = { S3_BUCKET: 'media', S3_ENDPOINT: 'http://127.0.0.1:9000/', S3_ACCESS_KEY_ID: 'the-key-id' };
const STORE = { ...BUCKET, S3_SECRET_ACCESS_KEY: 'the-store-secret' };
const DATABASE = { DATABASE_URL: 'postgres://wma:database%2Fpassword@localhost/wma' };
const REDIS = { REDIS_URL: 'rediss://:redis-password@localhost:6380' };
const KEYS = { API_KEYS: 'admin:6f1c0e9b7a52d384c1f0a9e8b7d6c5f4' };

test('without configuration everything is embedded and simulated, with the documented defaults', (t) => {
  const config = setup(t).load({});
  assert.deepEqual(config.shape, {
    database: 'embedded',
    queue: 'embedded',
    store: 'embedded',
    wechat: 'simulated',
  });
  assert.equal(config.dataFolder, resolve('data'));
  assert.deepEqual(config.http, {
    host: '127.0.0.1',
    port: 8080,
    callbackPort: undefined,
    publicUrl: undefined,
    trustedProxies: [],
  });
  assert.deepEqual(config.wechat, {
    apiBaseUrl: 'https://api.weixin.qq.com',
    wecomBaseUrl: 'https://qyapi.weixin.qq.com',
    videoBaseUrl: 'http://api.weixin.qq.com',
    proxyUrl: undefined,
  });
  assert.deepEqual(config.fetch, { allowHosts: [], idleTimeoutMs: 15_000, totalTimeoutMs: 600_000 });
  assert.deepEqual(config.work, {
    concurrency: 16,
    accountConcurrency: 4,
    byteBudgetBytes: 268_435_456,
    maxMediaBytes: 209_715_200,
    shutdownGraceMs: 20_000,
  });
  assert.deepEqual(config.lifetimes, { mediaLifetimeMs: 259_200_000, timeScale: 1 });
  assert.deepEqual(config.queue, { prefix: '{wma}', windowSize: 1000, schema: 'bullmq' });
  assert.deepEqual(config.objects, { prefix: '', linkTtlMs: 3_600_000 });
});

test('the configuration is frozen deeply', (t) => {
  const config = setup(t).load({ ...ACCOUNT, ...STORE, ...DATABASE, ...KEYS });
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen));
  assert.ok(isFrozen(config));
});

test('two variables decide where catalogue and queue are, one where the store is', (t) => {
  const { load } = setup(t);
  const real = { store: 's3', wechat: 'real' };
  assert.deepEqual(load({ ...ACCOUNT, ...STORE, ...DATABASE }).shape, {
    database: 'postgres',
    queue: 'postgres',
    ...real,
  });
  const all = load({ ...ACCOUNT, ...STORE, ...DATABASE, ...REDIS });
  assert.deepEqual(all.shape, { database: 'postgres', queue: 'redis', ...real });
  assert.equal(all.redis.url, REDIS.REDIS_URL);
  assert.deepEqual(load({ ...ACCOUNT, ALLOW_EMBEDDED: '1' }).shape, {
    database: 'embedded',
    queue: 'embedded',
    store: 'embedded',
    wechat: 'real',
  });
});

test('a mix of real and embedded parts is a mistake unless it is allowed', (t) => {
  const { mistakesOf, failureOf, load } = setup(t);
  assert.deepEqual(mistakesOf(DATABASE), ['WECHAT_APP_ID']);
  assert.deepEqual(mistakesOf(STORE), ['WECHAT_APP_ID']);
  assert.deepEqual(mistakesOf(REDIS), ['DATABASE_URL']);
  assert.match(failureOf(REDIS).message, /REDIS_URL/);
  assert.deepEqual(mistakesOf({ ...ACCOUNT, ...STORE }), ['DATABASE_URL']);
  assert.deepEqual(mistakesOf({ ...ACCOUNT, ...DATABASE }), ['S3_BUCKET']);
  assert.match(failureOf(ACCOUNT).message, /ALLOW_EMBEDDED=1/);
  assert.equal(load({ ...ACCOUNT, ...STORE, ALLOW_EMBEDDED: 'true' }).shape.database, 'embedded');
  assert.deepEqual(mistakesOf({ S3_ENDPOINT: 'http://localhost:9000' }), ['S3_BUCKET']);
});

test('production requires API keys, and ALLOW_EMBEDDED for embedded parts', (t) => {
  const { mistakesOf, load } = setup(t);
  const production = { NODE_ENV: 'production' };
  assert.deepEqual(mistakesOf(production), ['DATABASE_URL', 'S3_BUCKET', 'API_KEYS']);
  assert.deepEqual(mistakesOf({ ...production, ALLOW_EMBEDDED: '1' }), ['API_KEYS']);
  assert.ok(load({ ...production, ...KEYS, ALLOW_EMBEDDED: '1' }).production);
  const config = load({ ...production, ...KEYS, ...ACCOUNT, ...STORE, ...DATABASE });
  assert.deepEqual(config.apiKeys[0]?.scopes, ['read', 'write', 'admin']);
});

test('all mistakes are reported together, each with variable, reason and example, and exit code 78', (t) => {
  const error = setup(t).failureOf({
    PORT: '80800',
    LINK_TTL: '8d',
    BYTE_BUDGET: '23MiB',
    MAX_MEDIA_BYTES: '200M',
    LOG_LEVEL: 'loud',
    PUBLIC_URL: 'media.example.com',
    FETCH_ALLOW_HOSTS: 'http://cdn.example.com',
    QUEUE_WINDOW: '0',
    S3_PREFIX: '../up/',
    WORKER_CONCURENCY: '8',
  });
  assert.equal(error.exitCode, 78);
  assert.deepEqual(error.mistakes.map((it) => it.variable).sort(), [
    'BYTE_BUDGET',
    'FETCH_ALLOW_HOSTS',
    'LINK_TTL',
    'LOG_LEVEL',
    'MAX_MEDIA_BYTES',
    'PORT',
    'PUBLIC_URL',
    'QUEUE_WINDOW',
    'S3_PREFIX',
    'WORKER_CONCURENCY',
  ]);
  assert.match(error.message, /^10 mistakes/);
  assert.match(
    error.message,
    /PORT must be a whole number from 0 to 65535, not "80800"\. Example: PORT=8080$/m,
  );
  assert.match(
    error.message,
    /WORKER_CONCURENCY .* did you mean WORKER_CONCURRENCY\? Example: WORKER_CONCURRENCY=/,
  );
});

test('a misspelt name does not cause a second mistake, and unrelated variables cause none', (t) => {
  const { mistakesOf, load } = setup(t);
  const { DATABASE_URL } = DATABASE;
  assert.deepEqual(mistakesOf({ ...ACCOUNT, ...STORE, DATABSE_URL: DATABASE_URL }), ['DATABSE_URL']);
  assert.deepEqual(mistakesOf({ ...STORE, ...DATABASE, ACCOUNT_FILE: '/a.json' }), ['ACCOUNT_FILE']);
  load({
    HOME: '/root',
    HOSTNAME: 'box',
    HOSTTYPE: 'x86_64',
    PORTAGE: '1',
    AWS_REGION: 'x',
    REDIS_PORT: 'tcp://1:6379',
  });
  // Another program's S3_SECRET beside a complete configuration of ours.
  load({ ...ACCOUNT, ...STORE, ...DATABASE, S3_SECRET: 'x' });
});

test('variables that Kubernetes sets for Services are ignored, with a warning for each name of ours', (t) => {
  const { load, failureOf, folder } = setup(t);
  const links = {
    METRICS_PORT: 'tcp://10.0.0.7:9090',
    CALLBACK_PORT: 'udp://10.0.0.8:53',
    CALLBACKS_PORT: 'tcp://10.0.0.8:80',
    METRICS_PORT_9090_TCP: 'tcp://10.0.0.7:9090',
    METRICS_PORT_9090_TCP_PORT: '9090',
    METRICS_SERVICE_HOST: '10.0.0.7',
    METRICS_SERVICE_PORT_HTTP: '9090',
    S3_PORT: 'tcp://10.0.0.9:80',
    S3_SERVICE_HOST: '10.0.0.9',
    REDIS_PORT: 'tcp://10.0.0.9:6379',
    WMA_URL_SERVICE_HOST: '10.0.0.9',
  };
  const config = load(links);
  assert.deepEqual([config.metrics.port, config.http.callbackPort], [undefined, undefined]);
  assert.deepEqual(
    config.warnings.map((words) => words.split(' ')[0]),
    ['METRICS_PORT', 'CALLBACK_PORT'],
  );
  assert.match(config.warnings[0]!, /enableServiceLinks: false/);
  writeFileSync(join(folder, '.env'), 'METRICS_PORT=9191\n');
  assert.equal(load(links).metrics.port, 9191);
  assert.deepEqual(load({ METRICS_PORT: '9090' }).warnings, []);
  // Written in .env it is a mistake.
  writeFileSync(join(folder, '.env'), 'METRICS_PORT=tcp://10.0.0.7:9090\n');
  assert.match(failureOf({}).message, /METRICS_PORT must be a whole number/);
});

test('an empty value means unset, except that it turns the video address off', (t) => {
  const { load } = setup(t);
  assert.equal(load({ PORT: '', DATABASE_URL: ' ', S3_BUCKET: '', API_KEYS: '' }).http.port, 8080);
  assert.equal(load({ WECHAT_VIDEO_BASE_URL: '' }).wechat.videoBaseUrl, undefined);
  assert.equal(
    load({ WECHAT_API_BASE_URL: 'http://127.0.0.1:9/' }).wechat.videoBaseUrl,
    'http://127.0.0.1:9',
  );
});

test('.env is read, and the environment overrides it', (t) => {
  const { load } = setup(t, {
    '.env': 'PORT=9000\nHOST="0.0.0.0"\n# LOG_LEVEL=debug\nDATA_DIR=/srv/wma # here\n',
  });
  const config = load({ PORT: '9001' });
  assert.deepEqual([config.http.port, config.http.host], [9001, '0.0.0.0']);
  assert.deepEqual([config.log.level, config.dataFolder], ['info', '/srv/wma']);
});

test('a secret of the environment replaces the file that .env names for it', (t) => {
  const { load } = setup(t, { '.env': 'API_KEYS_FILE=/nowhere\n' });
  assert.equal(load(KEYS).apiKeys.length, 1);
});

test('every secret can be in a file, whose last line break is removed', (t) => {
  const { folder, load, failureOf } = setup(t, { key: 'admin:from-a-file-of-secrets\r\n', empty: '\n' });
  assert.equal(load({ API_KEYS_FILE: join(folder, 'key') }).apiKeys[0]?.secret, 'from-a-file-of-secrets');
  assert.match(failureOf({ ...KEYS, API_KEYS_FILE: join(folder, 'key') }).message, /API_KEYS_FILE too/);
  assert.match(failureOf({ API_KEYS_FILE: '/no/such/file' }).message, /\/no\/such\/file \(ENOENT\)/);
  assert.match(failureOf({ API_KEYS_FILE: join(folder, 'empty') }).message, /is empty/);
  assert.match(
    failureOf({ ...ACCOUNT, WECHAT_TOKEN: '', WECHAT_TOKEN_FIEL: '/x' }).message,
    /WECHAT_TOKEN_FILE\?/,
  );
});

test('a secret in a file is read without what editors and shells add', (t) => {
  const { folder, load, failureOf } = setup(t, {
    blanks: '  the-app-secret \t\n\n',
    windows: '\uFEFFthe-app-secret\r\n',
    utf16: 'the-app-secret'.replaceAll(/./g, '$&\0'),
    none: ' \n',
  });
  const { WECHAT_APP_SECRET: _secret, ...rest } = ACCOUNT;
  const env = (file: string) => ({
    ...rest,
    ALLOW_EMBEDDED: '1',
    WECHAT_APP_SECRET_FILE: join(folder, file),
  });
  const several = (file: string) => {
    const accounts = join(folder, 'accounts.json');
    writeFileSync(accounts, JSON.stringify([{ appId: 'wx1', token: 'a-token', secretFile: file }]));
    return { ALLOW_EMBEDDED: '1', ACCOUNTS_FILE: accounts };
  };
  for (const file of ['blanks', 'windows']) {
    assert.equal(load(env(file)).accounts[0]?.secret, 'the-app-secret', file);
    assert.equal(load(several(file)).accounts[0]?.secret, 'the-app-secret', file);
  }
  for (const [file, words] of [
    ['utf16', /is not UTF-8 text/],
    ['none', /is empty/],
  ] as const) {
    assert.match(failureOf(env(file)).message, words);
    assert.match(failureOf(several(file)).message, words);
  }
});

test('one account comes from four variables, several from a file, and both together are a mistake', (t) => {
  const accounts = [{ appId: 'wx1', name: 'shop', secret: 'first-app-secret', token: 'first-token' }];
  const { folder, load, mistakesOf, failureOf } = setup(t, { 'a.json': JSON.stringify(accounts) });
  const file = { ACCOUNTS_FILE: join(folder, 'a.json'), ALLOW_EMBEDDED: '1' };
  assert.deepEqual(load({ ...file, ACCOUNT_CONCURRENCY: '7' }).accounts, [
    { ...accounts[0], account: 'wx1', product: 'official', requireEncryption: false, concurrency: 7 },
  ]);
  assert.deepEqual(mistakesOf({ ...file, ...ACCOUNT }), ['WECHAT_APP_ID']);
  assert.deepEqual(mistakesOf({ ...file, ACCOUNTS_FILE: '/no/such.json' }), ['ACCOUNTS_FILE']);
  assert.deepEqual(mistakesOf({ WECHAT_APP_ID: 'wx1', ALLOW_EMBEDDED: '1' }), [
    'WECHAT_APP_SECRET',
    'WECHAT_TOKEN',
  ]);
  assert.deepEqual(mistakesOf({ WECHAT_TOKEN: 'the-token' }), ['WECHAT_APP_ID']);
  assert.deepEqual(mistakesOf({ ...ACCOUNT, WECHAT_ENCODING_AES_KEY: 'short', ALLOW_EMBEDDED: '1' }), [
    'WECHAT_ENCODING_AES_KEY',
  ]);
  assert.deepEqual(mistakesOf({ ...ACCOUNT, WECHAT_APP_ID: '../wx', ALLOW_EMBEDDED: '1' }), [
    'WECHAT_APP_ID',
  ]);
  const key = (account: string) => ({ API_KEYS: `crm:read@${account}:a-secret-of-a-reader` });
  assert.deepEqual(load({ ...file, ...key('shop') }).apiKeys[0]?.accounts, ['wx1']);
  assert.match(failureOf({ ...file, ...key('wx9') }).message, /API_KEYS entry 1: names an account/);
});

test('the store is found from a preset, from an endpoint, or from AWS names', (t) => {
  const { load, mistakesOf } = setup(t);
  const place = (env: Record<string, string>) => {
    const s3 = load({ ...ACCOUNT, ...DATABASE, ...env }).s3;
    return [s3?.endpoint, s3?.region, s3?.addressing];
  };
  const keys = {
    S3_BUCKET: 'media',
    S3_ACCESS_KEY_ID: 'the-key-id',
    S3_SECRET_ACCESS_KEY: 'the-store-secret',
  };
  assert.deepEqual(place(STORE), ['http://127.0.0.1:9000', 'us-east-1', 'path']);
  assert.deepEqual(place({ ...keys, S3_PRESET: 'aliyun-oss', S3_REGION: 'cn-hangzhou' }), [
    'https://s3.oss-cn-hangzhou.aliyuncs.com',
    'cn-hangzhou',
    'virtual',
  ]);
  assert.deepEqual(place({ ...keys, S3_ENDPOINT: 'https://cos.ap-beijing.myqcloud.com' }).slice(1), [
    'ap-beijing',
    'virtual',
  ]);
  assert.deepEqual(place({ ...keys, S3_ENDPOINT: 'https://acc.r2.cloudflarestorage.com' }).slice(1), [
    'auto',
    'path',
  ]);
  assert.deepEqual(place({ ...keys, AWS_REGION: 'cn-north-1' }), [
    'https://s3.cn-north-1.amazonaws.com.cn',
    'cn-north-1',
    'virtual',
  ]);
  const wrong = (env: Record<string, string>) => mistakesOf({ ...ACCOUNT, ...DATABASE, ...env });
  assert.deepEqual(wrong(keys), ['S3_REGION']);
  assert.deepEqual(wrong({ ...keys, S3_PRESET: 'cloudflare-r2' }), ['S3_ENDPOINT']);
  assert.deepEqual(wrong({ ...keys, S3_PRESET: 'minio' }), ['S3_ENDPOINT']);
  assert.deepEqual(wrong({ ...keys, S3_ADDRESSING: 'cname', S3_REGION: 'x' }), ['S3_ENDPOINT']);
  assert.deepEqual(wrong({ ...keys, S3_PRESET: 'aliyun' }), ['S3_PRESET']);
});

test('the keys of the store are one pair: S3_… or AWS_… with its session', (t) => {
  const { load, mistakesOf } = setup(t);
  const base = { ...ACCOUNT, ...DATABASE, S3_BUCKET: 'media', S3_ENDPOINT: 'http://localhost:9000' };
  const aws = {
    AWS_ACCESS_KEY_ID: 'aws-id',
    AWS_SECRET_ACCESS_KEY: 'aws-secret',
    AWS_SESSION_TOKEN: 'aws-session',
  };
  const pair = (env: Record<string, string>) => {
    const s3 = load({ ...base, ...env }).s3;
    return [s3?.accessKeyId, s3?.secretAccessKey, s3?.sessionToken];
  };
  assert.deepEqual(pair(aws), ['aws-id', 'aws-secret', 'aws-session']);
  assert.deepEqual(pair({ ...aws, ...STORE }), ['the-key-id', 'the-store-secret', undefined]);
  assert.deepEqual(mistakesOf({ ...base, ...aws, S3_ACCESS_KEY_ID: 'half' }), ['S3_SECRET_ACCESS_KEY']);
  assert.deepEqual(mistakesOf(base), ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY']);
});

test('half of a key pair of AWS is a mistake, never an embedded store', (t) => {
  const { mistakesOf } = setup(t);
  const { S3_ACCESS_KEY_ID: _id, ...bucket } = BUCKET;
  for (const half of [{ AWS_ACCESS_KEY_ID: 'the-id' }, { AWS_SECRET_ACCESS_KEY: 'the-secret-of-aws' }])
    assert.deepEqual(mistakesOf({ ...ACCOUNT, ...DATABASE, ...bucket, ...half }), [
      'S3_ACCESS_KEY_ID',
      'S3_SECRET_ACCESS_KEY',
    ]);
});

test('WEBHOOK_URL and WEBHOOK_SECRET belong together, and the secret is of the form that signs', (t) => {
  const { load, failureOf, mistakesOf } = setup(t);
  const url = 'https://example.com/hook?key=of-the-receiver-0123';
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  assert.equal(load({}).webhooks.configured, undefined);
  const config = load({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret });
  assert.deepEqual(config.webhooks.configured, { url, secret });
  const secrets = configSecrets(config);
  assert.ok(secrets.includes(secret) && secrets.includes('of-the-receiver-0123'));
  assert.ok(!JSON.stringify(config.settings).includes('of-the-receiver'));
  assert.deepEqual(mistakesOf({ WEBHOOK_URL: url }), ['WEBHOOK_SECRET']);
  assert.deepEqual(mistakesOf({ WEBHOOK_SECRET: secret }), ['WEBHOOK_URL']);
  for (const wrong of [
    'a-password',
    secret.slice(6),
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    'whsec_####',
  ]) {
    const { message } = failureOf({ WEBHOOK_URL: url, WEBHOOK_SECRET: wrong });
    assert.match(
      message,
      /WEBHOOK_SECRET must be whsec_ .*openssl rand -base64 32.*Example: WEBHOOK_SECRET=whsec_/s,
    );
    assert.ok(!message.includes(wrong));
  }
});

test('WEBHOOK_SECRET_FILE is read', (t) => {
  const { folder, load } = setup(t, { secret: `whsec_${Buffer.alloc(24, 1).toString('base64')}\n` });
  const WEBHOOK_SECRET_FILE = join(folder, 'secret');
  const { webhooks } = load({ WEBHOOK_URL: 'https://example.com/', WEBHOOK_SECRET_FILE });
  assert.match(webhooks.configured?.secret ?? '', /^whsec_[A-Za-z0-9+/]{32}$/);
});

test('WEBHOOK_ALLOW_HOSTS is read with ports and networks', (t) => {
  const { load } = setup(t);
  const { webhooks } = load({ WEBHOOK_ALLOW_HOSTS: 'Hooks.lan:8080, 10.0.0.0/8,receiver' });
  assert.deepEqual(webhooks.allowed, {
    hosts: [{ host: 'hooks.lan', port: 8080 }, { host: 'receiver' }],
    networks: ['10.0.0.0/8'],
  });
});

test('FETCH_ALLOW_HOSTS is read with ports', (t) => {
  const { load } = setup(t);
  const { fetch } = load({ FETCH_ALLOW_HOSTS: 'CDN.example.com, 127.0.0.1:8443,[::1]:80,::1' });
  assert.deepEqual(fetch.allowHosts, [
    { host: 'cdn.example.com' },
    { host: '127.0.0.1', port: 8443 },
    { host: '::1', port: 80 },
    { host: '::1' },
  ]);
});

const SECRETS: Record<string, string> = {
  API_KEYS: 'admin:sekret-of-the-admin',
  DATABASE_URL: 'postgres://wma:sekret%2Fdatabase@localhost/wma',
  REDIS_URL: 'redis://:sekret-redis@localhost',
  S3_SECRET_ACCESS_KEY: 'sekret-of-the-store',
  WECHAT_APP_SECRET: 'sekret-of-the-app',
  WECHAT_TOKEN: 'sekret-token',
  WECHAT_ENCODING_AES_KEY: `sekret${'a'.repeat(37)}`,
  WECHAT_PROXY: 'http://me:sekret-proxy@localhost:3128',
  ALERT_URL: 'https://alerts.example.com/hook?key=sekret-alert',
};

test('the log knows all secrets, and passwords both encoded and decoded', (t) => {
  const secrets = configSecrets(setup(t).load({ ...ACCOUNT, ...BUCKET, ...SECRETS }));
  assert.deepEqual(
    secrets.sort(),
    [
      'https://alerts.example.com/hook?key=sekret-alert',
      'sekret%2Fdatabase',
      'sekret-of-the-admin',
      'sekret-of-the-app',
      'sekret-of-the-store',
      'sekret-proxy',
      'sekret-redis',
      'sekret-token',
      'sekret/database',
      SECRETS.WECHAT_ENCODING_AES_KEY,
    ].sort(),
  );
});

test('DATABASE_URL accepts the forms of libpq, with a socket as host, and its password stays secret', (t) => {
  const { load } = setup(t);
  for (const url of [
    'postgres:///wma?host=/var/run/postgresql',
    'postgresql://wma@/wma?host=/var/run/postgresql',
    'postgresql://wma:sekret@/wma?host=%2Fvar%2Frun%2Fpostgresql&port=5433',
    'postgres://wma:sekret@%2Fvar%2Frun%2Fpostgresql/wma',
    'postgres://wma:sekret@[::1]:5433/wma',
  ]) {
    const config = load({ ...ACCOUNT, ...STORE, ...KEYS, DATABASE_URL: url });
    assert.equal(config.database.url, url);
    assert.equal(configSecrets(config).includes('sekret'), url.includes('sekret'), url);
  }
});

test('DATABASE_SCHEMA gives the queue a schema of its own, and must not be the schema of a queue', (t) => {
  const { load, failureOf } = setup(t);
  const of = (DATABASE_SCHEMA: string) =>
    load({ ...ACCOUNT, ...STORE, ...DATABASE, ...KEYS, DATABASE_SCHEMA });
  assert.equal(of('wma').queue.schema, 'bullmq');
  assert.equal(of('photos').queue.schema, 'photos_queue');
  const longest = 'a'.repeat(57);
  assert.equal(of(longest).queue.schema.length, 63);
  for (const wrong of ['bullmq', 'pg_wma', 'photos_queue', `${longest}a`, 'Wma', 'a-b']) {
    const env = { ...ACCOUNT, ...STORE, ...DATABASE, ...KEYS, DATABASE_SCHEMA: wrong };
    assert.match(failureOf(env).message, /DATABASE_SCHEMA must be lower-case letters.*57 at most/);
  }
});

test('no mistake shows a secret, neither as a wrong value nor in the wrong variable', (t) => {
  const { folder, failureOf } = setup(t, {
    'a.json': '[{"appId":"wx1","secret":5,"token":"sekret token"} "sekret-json"]',
  });
  const env = { ...ACCOUNT, ...BUCKET, ...SECRETS };
  const broken: Record<string, string>[] = Object.entries(SECRETS).flatMap(([name, value]) => [
    { ...env, [name]: `sekret ${value}\0` },
    { ...env, [name]: `ftp://sekret:${value}@sekret`, PORT: 'x' },
    { ...env, [`${name}_FILE`]: '/no/such/file' },
    {
      ...env,
      LOG_LEVEL: value,
      PUBLIC_URL: `https://x:${value}@host`,
      HOST: `${'x'.repeat(60)} ${value}`,
    },
  ]);
  broken.push({ ...env, ACCOUNTS_FILE: join(folder, 'a.json') });
  for (const attempt of broken) {
    const error = failureOf(attempt);
    assert.doesNotMatch(
      `${error.message}${error.stack}${JSON.stringify(error)}`,
      /sekret/,
      JSON.stringify(attempt),
    );
  }
});
