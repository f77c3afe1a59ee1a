import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VARIABLES } from '../../../src/config/schema.ts';
import {
  abbreviatedVariable,
  closestWord,
  editDistance,
  intendedVariable,
} from '../../../src/config/values/misspelling.ts';

const KNOWN = Object.keys(VARIABLES);

test('an edit inserts, deletes or replaces a letter, or swaps two neighbours', () => {
  const cases = [
    ['URL', 'URL'],
    ['URL', 'URLS'],
    ['URL', 'UR'],
    ['URL', 'URI'],
    ['URL', 'ULR'],
    ['', 'abc'],
  ] as const;
  assert.deepEqual(
    cases.map(([a, b]) => editDistance(a, b)),
    [0, 1, 1, 1, 1, 3],
  );
});

test('a misspelt variable leads to the one that was meant', () => {
  const meant = {
    WECHAT_APPID: 'WECHAT_APP_ID',
    WECAHT_APP_ID: 'WECHAT_APP_ID',
    wechat_app_id: 'WECHAT_APP_ID',
    WECHAT_ENCODING_AESKEY: 'WECHAT_ENCODING_AES_KEY',
    WECHAT_ENCODNG_AESKEY: 'WECHAT_ENCODING_AES_KEY',
    DATABSE_URL: 'DATABASE_URL',
    DATABASE_URI: 'DATABASE_URL',
    DATABASEURL: 'DATABASE_URL',
    REDIS_ULR: 'REDIS_URL',
    S3_BUKET: 'S3_BUCKET',
    S3_REGOIN: 'S3_REGION',
    API_KEY: 'API_KEYS',
    ACCOUNT_FILE: 'ACCOUNTS_FILE',
    WORKER_CONCURENCY: 'WORKER_CONCURRENCY',
    BYTES_BUDGET: 'BYTE_BUDGET',
    PROT: 'PORT',
    METRIC_PORT: 'METRICS_PORT',
    SHUTDOWN_GRACE_: 'SHUTDOWN_GRACE',
  };
  for (const [written, name] of Object.entries(meant)) assert.equal(intendedVariable(written, KNOWN), name);
});

test('a shortened variable leads to the one that was meant', () => {
  assert.equal(abbreviatedVariable('WECHAT_SECRET', KNOWN), 'WECHAT_APP_SECRET');
  assert.equal(abbreviatedVariable('WECHAT_AES_KEY', KNOWN), 'WECHAT_ENCODING_AES_KEY');
  assert.equal(abbreviatedVariable('S3_SECRET_KEY', KNOWN), 'S3_SECRET_ACCESS_KEY');
  assert.equal(abbreviatedVariable('S3_KEY_SECRET', KNOWN), undefined);
});

test("other programs' variables are not taken for misspelt ones", () => {
  const foreign =
    'PORTAGE HOSTNAME HOSTTYPE HOME POST COST PATH TERM PWD SHELL LOGNAME AWS_DEFAULT_REGION AWS_PROFILE APP_KEY ' +
    'APP_KEYS API_URL DATABASE_HOST DATABASE_NAME DATABASE_PORT DATABASE_SSL DATABASE_USER DATABASE_URL_2 ' +
    'DATABASE_URL_REPLICA TEST_DATABASE_URL TEST_REDIS_URL REDIS_HOST REDIS_PORT REDIS_PORT_6379_TCP REDIS_PASSWORD ' +
    'REDIS_SERVICE_HOST S3_PORT S3_SERVICE_HOST QUEUE_URL LINK_URL JAVA_DIR META_DIR XDG_DATA_DIRS DATADIR LOGLEVEL ' +
    'NODE_ENVS NODE_OPTIONS NODE_PATH npm_config_cache npm_lifecycle_event CI GITHUB_ACTIONS COMPOSE_FILE PGHOST ' +
    'KUBERNETES_PORT KUBERNETES_SERVICE_HOST POSTGRES_URL MEDIA_ROOT PUBLIC_DIR WORKER_ID CALLBACK_URL TZ LANG';
  for (const name of foreign.split(' ')) {
    const meant = intendedVariable(
      name,
      KNOWN.filter((known) => known !== 'NODE_ENV'),
    );
    assert.equal(meant ?? abbreviatedVariable(name, KNOWN), undefined, name);
  }
});

test('a misspelt field leads to the one that was meant, whatever its case', () => {
  const fields = ['appId', 'secret', 'encodingAesKey', 'name'];
  assert.deepEqual(
    ['appid', 'app_id', 'secrte', 'EncodingAESKey', 'colour'].map((field) => closestWord(field, fields)),
    ['appId', 'appId', 'secret', 'encodingAesKey', undefined],
  );
});
