/** GET /v1/settings: every variable with its effective value, and no secret, wherever it was set. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../../../src/config/config.ts';
import { VARIABLES, type Variable } from '../../../../src/config/schema.ts';
import { settingsSchema } from '../../../../src/server/routes/operations/settings.ts';
import { openServer } from '../../../../src/server/start.ts';
import { KEYS, openTestServer, type TestServer } from '../../setup.ts';

/** In every secret of this test. */
const MARK = 'marked5ecret';
const TABLE: Readonly<Record<string, Variable>> = VARIABLES;
const SECRET_NAMES = Object.keys(TABLE).filter((name) => TABLE[name]!.secret);

/** A valid value with the mark for every secret variable. */
const SECRETS: Readonly<Record<string, string>> = {
  API_KEYS: `admin:${MARK}-of-a-key-0123456789`,
  DATABASE_URL: `postgres://${MARK}user:${MARK}@db.example.com:5432/catalogue?sslmode=require&password=${MARK}`,
  REDIS_URL: `rediss://${MARK}user:${MARK}@redis.example.com:6380/3?x=${MARK}`,
  S3_ACCESS_KEY_ID: `${MARK}id`,
  S3_SECRET_ACCESS_KEY: `${MARK}key`,
  AWS_ACCESS_KEY_ID: `${MARK}id`,
  AWS_SECRET_ACCESS_KEY: `${MARK}key`,
  AWS_SESSION_TOKEN: `${MARK}token`,
  WECHAT_APP_SECRET: `${MARK}app`,
  WECHAT_TOKEN: `${MARK}callback`,
  WECHAT_ENCODING_AES_KEY: MARK.padEnd(43, 'x'),
  WECHAT_PROXY: `http://${MARK}user:${MARK}@proxy.example.com:3128/${MARK}?x=${MARK}`,
  ALERT_URL: `https://${MARK}:${MARK}@open.feishu.cn/open-apis/bot/v2/hook/${MARK}?x=${MARK}#${MARK}`,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `https://${MARK}:${MARK}@otlp.example.com:4318/${MARK}?x=${MARK}`,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=${MARK}`,
  WEBHOOK_URL: `https://hooks.example.com:8443/${MARK}?x=${MARK}`,
  WEBHOOK_SECRET: `whsec_${MARK.repeat(4)}`,
  WMA_API_KEY: `${MARK}cli`,
};
const PLAIN = {
  WECHAT_APP_ID: 'wx1',
  S3_BUCKET: 'media',
  S3_PRESET: 'aliyun-oss',
  S3_REGION: 'cn-hangzhou',
  RETENTION: '31536000000',
  BYTE_BUDGET: '536870912',
};

interface Setting {
  variable: string;
  value?: string;
  isSet: boolean;
  isSecret: boolean;
}

describe('the settings', () => {
  let s: TestServer;
  let folder: string;
  before(async () => {
    s = await openTestServer();
    folder = await mkdtemp(join(tmpdir(), 'wma-settings-'));
  });
  after(async () => {
    await s.close();
    await rm(folder, { recursive: true });
  });

  /** The response of a server with this environment, as text and by variable. */
  async function read(env: Record<string, string>) {
    const loaded = loadConfig({ DATA_DIR: folder, ...env }, { dotEnvFolder: folder });
    const config = { ...loaded, http: { ...loaded.http, port: 0, callbackPort: undefined } };
    const keys = [{ name: 'k', scopes: ['admin'] as const, secret: KEYS.admin }];
    const { url } = await openServer({ ...s.context, config }, { keys });
    const response = await fetch(`${url}/v1/settings`, {
      headers: { authorization: `Bearer ${KEYS.admin}` },
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const body = JSON.parse(text) as { items: Setting[] };
    settingsSchema.parse(body);
    return { text, by: Object.fromEntries(body.items.map((item) => [item.variable, item])) };
  }

  it('has every variable, with its default in a unit where nothing is set', async () => {
    const { by } = await read({});
    assert.deepEqual(Object.keys(by).sort(), Object.keys(TABLE).sort());
    for (const [variable, value] of [
      ['PORT', '8080'],
      ['LINK_TTL', '1h'],
      ['MEDIA_LIFETIME', '3d'],
      ['BYTE_BUDGET', '256MiB'],
      ['RETENTION', 'never'],
      ['DATABASE_URL', 'embedded'],
      ['DATA_DIR', folder],
      ['WECHAT_VIDEO_BASE_URL', 'http://api.weixin.qq.com'],
    ] as const)
      assert.deepEqual([variable, by[variable]!.value], [variable, value]);
    assert.deepEqual([by.PORT!.isSet, by.DATA_DIR!.isSet], [false, true]);
    assert.ok(
      Object.values(by).every(({ variable, isSecret }) => isSecret === SECRET_NAMES.includes(variable)),
    );
  });

  it('shows of secret variables that they are set, and of addresses the server only', async () => {
    assert.deepEqual(Object.keys(SECRETS).sort(), SECRET_NAMES.toSorted(), 'every secret variable is tried');
    const { text, by } = await read({ ...PLAIN, ...SECRETS });
    assert.ok(!text.includes(MARK), text);
    for (const name of SECRET_NAMES) assert.equal(by[name]!.isSet, true, name);
    const shown = SECRET_NAMES.flatMap((name) =>
      by[name]!.value === undefined ? [] : [[name, by[name]!.value]],
    );
    assert.deepEqual(Object.fromEntries(shown), {
      ALERT_URL: 'https://open.feishu.cn',
      DATABASE_URL: 'postgres://db.example.com:5432/catalogue',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://otlp.example.com:4318',
      REDIS_URL: 'rediss://redis.example.com:6380/3',
      WEBHOOK_URL: 'https://hooks.example.com:8443',
      WECHAT_PROXY: 'http://proxy.example.com:3128',
    });
    assert.deepEqual(
      [by.RETENTION!.value, by.BYTE_BUDGET!.value, by.S3_ENDPOINT!.value, by.S3_ENDPOINT!.isSet],
      ['365d', '512MiB', 'https://s3.oss-cn-hangzhou.aliyuncs.com', false],
    );
  });

  it('shows no secret that was set as a file', async () => {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(SECRETS)) {
      if (TABLE[name]!.foreign) continue;
      env[`${name}_FILE`] = join(folder, name);
      await writeFile(join(folder, name), `${value}\n`);
    }
    const { text, by } = await read({ ...PLAIN, ...env });
    assert.ok(!text.includes(MARK), text);
    for (const name of Object.keys(env)) assert.equal(by[name.replace(/_FILE$/, '')]!.isSet, true, name);
  });

  it('shows of the accounts file how many accounts it has, and their names', async () => {
    const file = join(folder, 'accounts.json');
    const accounts = [
      {
        appId: 'wx1',
        name: 'shop',
        secret: `${MARK}1`,
        token: `${MARK}2`,
        upstreamUrl: `https://h.example.com/${MARK}`,
      },
      {
        appId: 'wx2',
        token: `${MARK}3`,
        tokenSource: { type: 'redis', url: `redis://:${MARK}@h:6379`, key: 'k' },
      },
    ];
    await writeFile(file, JSON.stringify(accounts));
    const { text, by } = await read({ ACCOUNTS_FILE: file, ALLOW_EMBEDDED: '1' });
    assert.equal(by.ACCOUNTS_FILE!.value, '2: shop, wx2');
    assert.ok(!text.includes(MARK), text);
  });

  it('shows no part of a password that is not escaped, and no secret in the wrong variable', async () => {
    for (const password of [`12/${MARK}`, `12#${MARK}`, `12?${MARK}`, `${MARK}@`]) {
      const { text } = await read({
        ...PLAIN,
        ...SECRETS,
        DATABASE_URL: `postgres://wma:${password}@db.example.com/catalogue`,
        S3_PREFIX: `${SECRETS.S3_SECRET_ACCESS_KEY}/`,
      }).catch((error: Error) => ({ text: error.message }));
      assert.ok(!text.includes(MARK), text);
      assert.doesNotMatch(text, /postgres:\/\/wma:12/);
    }
  });

  it('are for admins of the whole installation', async () => {
    for (const key of ['read', 'write', 'schoolAdmin'] as const) await s.json('/v1/settings', { key }, 403);
    await s.json('/v1/settings', {}, 401);
    await s.json('/v1/settings?secrets=true', { key: 'admin' }, 400);
  });
});
