import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errcodesPage } from '../../../docs/generate/errcodes.ts';
import { FAILURES, type FailureClass } from '../../../src/failures.ts';
import type { Endpoint } from '../../../src/wechat/api/errcode-rows/meaning.ts';
import { MEANINGS, OTHER_MEANINGS } from '../../../src/wechat/api/errcode-table.ts';
import { classifyErrcode, explain, isMediaGone } from '../../../src/wechat/api/errcodes.ts';

const classOf = (
  errcode: number,
  endpoint: Endpoint = 'media_get',
  product: 'official' | 'wecom' = 'official',
) => classifyErrcode(product, endpoint, errcode).class;

test('every errcode of the official table has its class for media/get', () => {
  const expected: Record<FailureClass, number[]> = {
    transient: [-1, -1000, 0, 46007, 61450, 61503, 80000, 89401, 9001002],
    token: [40001, 40014, 41001, 42001, 42002, 42006, 61005, 61006],
    minute_limit: [45011],
    day_quota: [45009],
    permanent_media: [
      40003, 40004, 40005, 40006, 40007, 40008, 40009, 40010, 40011, 40012, 40035, 40038, 40118, 40121, 41005,
      41006, 43004, 43019, 44001, 44002, 44003, 44004, 45001, 45007, 45015, 45047, 46001, 46002, 46003, 46004,
      47001, 48002, 50005, 85000, 87009, 88999, 9001001,
    ],
    account: [
      40002, 40013, 40066, 40125, 40164, 40222, 40234, 40243, 41002, 41004, 42007, 43001, 43002, 43003, 45035,
      45040, 48001, 48004, 48017, 50001, 50002, 50003, 50004, 50007, 61003, 61004, 61007, 61011, 61014, 61015,
      61017, 61023, 61024, 61028, 89501, 89502, 89503, 89504, 89505, 89506, 89507,
    ],
    store: [],
    unknown: [1, 42009, 45033, 60020, 84999, 89000, 830002, 2147483647],
  };
  for (const [failureClass, errcodes] of Object.entries(expected)) {
    for (const errcode of errcodes) assert.equal(classOf(errcode), failureClass, String(errcode));
  }
});

test('the meaning of an errcode depends on the call and the product', () => {
  assert.deepEqual(classifyErrcode('official', 'media_get', 40001), {
    class: 'token',
    code: 'access_token_invalid',
  });
  assert.deepEqual(classifyErrcode('miniprogram', 'media_get', 40001), {
    class: 'token',
    code: 'access_token_invalid',
  });
  assert.deepEqual(classifyErrcode('official', 'token', 40001), {
    class: 'account',
    code: 'app_secret_wrong',
  });
  assert.deepEqual(classifyErrcode('wecom', 'media_get', 40001), {
    class: 'account',
    code: 'app_secret_wrong',
  });
  assert.equal(classifyErrcode('official', 'token', 45009).code, 'token_day_quota');
  assert.equal(classOf(45009, 'media_get', 'wecom'), 'minute_limit');
  assert.equal(classOf(45033, 'media_get', 'wecom'), 'minute_limit');
  assert.equal(classOf(42009, 'media_get', 'wecom'), 'token');
  assert.equal(classOf(48002, 'media_get', 'wecom'), 'account');
  assert.equal(classifyErrcode('wecom', 'media_get', 48004).code, 'authorization_invalid');
  assert.equal(classifyErrcode('wecom', 'media_get', 42007).code, 'pre_auth_code_expired');
  assert.equal(classOf(40125, 'media_get', 'wecom'), 'unknown');
  assert.equal(classOf(40091, 'token', 'wecom'), 'account');
  assert.equal(classOf(60020, 'media_get', 'wecom'), 'account');
  assert.equal(classOf(830002, 'media_get', 'wecom'), 'transient');
  assert.equal(classOf(76003, 'quota'), 'transient');
  assert.equal(classOf(48006, 'quota'), 'day_quota');
});

test('a row for a single errcode is preferred to a row for its range', () => {
  assert.equal(classifyErrcode('official', 'media_get', 9001002).code, 'platform_error');
  assert.equal(classifyErrcode('official', 'media_get', 9001003).code, 'other_interface');
});

test('no errcode is in two rows of the same scope, and no code is used twice', () => {
  const seen = new Map<string, string>();
  for (const meaning of MEANINGS) {
    for (const { product, endpoint, errcodes } of meaning.scopes) {
      for (const errcode of errcodes) {
        const key = `${product} ${endpoint} ${errcode}`;
        assert.equal(seen.get(key), undefined, `${key}: ${seen.get(key)} and ${meaning.code}`);
        seen.set(key, meaning.code);
      }
    }
  }
  const codes = [...MEANINGS, ...OTHER_MEANINGS].map((meaning) => meaning.code).concat(Object.keys(FAILURES));
  assert.equal(new Set(codes).size, codes.length);
});

test('every code is a slug and has a message and an advice in both languages', () => {
  const codes = [...MEANINGS, ...OTHER_MEANINGS].map((meaning) => meaning.code).concat(Object.keys(FAILURES));
  for (const code of codes) {
    assert.match(code, /^[a-z][a-z0-9_]+$/);
    const { message, advice } = explain({ code });
    for (const { en, zh } of [message, advice]) {
      assert.match(en, /^[A-Z][\x20-\x7e]+$/, code);
      assert.notEqual(zh, en, code);
      // A Chinese sentence, not a Chinese word in an English one.
      assert.ok((zh.match(/\p{Script=Han}/gu) ?? []).length >= 2, code);
    }
    assert.match(advice.en, /\.$/);
  }
});

test('an unknown errcode is explained with its number', () => {
  const { message, advice } = explain({ code: 'unknown_errcode', errcode: 99999 });
  assert.match(message.en, /99999/);
  assert.match(message.zh, /99999/);
  assert.ok(advice.zh.length > 0);
  assert.match(explain({ code: 'never_seen' }).message.en, /never_seen/);
});

test('every errcode that WeChat documents for the calls of this service is in the table', () => {
  const official = [
    -1, -1000, 0, 40001, 40002, 40003, 40004, 40005, 40006, 40007, 40008, 40009, 40010, 40011, 40012, 40013,
    40014, 40035, 40038, 40066, 40118, 40121, 40125, 40164, 40222, 40234, 40243, 41001, 41002, 41004, 41005,
    41006, 42001, 42002, 42006, 42007, 43001, 43002, 43003, 43004, 43019, 44001, 44002, 44003, 44004, 45001,
    45007, 45009, 45011, 45015, 45035, 45040, 45047, 46001, 46002, 46003, 46004, 46007, 47001, 48001, 48002,
    48004, 48006, 48017, 50001, 50002, 50003, 50004, 50005, 50007, 61003, 61004, 61005, 61006, 61007, 61011,
    61014, 61015, 61017, 61023, 61024, 61028, 61450, 61503, 80000, 85001, 87009, 88000, 89401, 89501, 89502,
    89503, 89504, 89505, 89506, 89507, 9001002, 9001001, 9001036,
  ];
  const wecom = [
    -1, 40001, 40007, 40013, 40014, 40091, 41001, 41006, 42001, 42007, 42009, 45009, 45033, 48002, 48004,
    60020, 830002,
  ];
  for (const errcode of official)
    for (const endpoint of ['media_get', 'token'] as const)
      assert.notEqual(
        classifyErrcode('official', endpoint, errcode).class,
        'unknown',
        `${errcode} ${endpoint}`,
      );
  for (const errcode of wecom)
    assert.notEqual(classifyErrcode('wecom', 'media_get', errcode).class, 'unknown', `wecom ${errcode}`);
  for (const errcode of [76003, 76021, 76022])
    assert.notEqual(classifyErrcode('official', 'quota', errcode).class, 'unknown', `quota ${errcode}`);
});

test('exactly 40007 and 46001 mean that WeChat does not have the item', () => {
  const gone = MEANINGS.filter(({ isMediaGone }) => isMediaGone);
  assert.deepEqual(
    gone.flatMap(({ scopes }) => scopes.flatMap(({ errcodes }) => errcodes)),
    [40007, 46001],
  );
  for (const product of ['official', 'wecom'] as const)
    for (const errcode of [40007, 46001])
      assert.ok(isMediaGone(classifyErrcode(product, 'media_get', errcode)), `${product} ${errcode}`);
  assert.ok(!isMediaGone({ code: 'expired' }));
});

test('docs/errcodes.md is generated from the current table', () => {
  const written = readFileSync(new URL('../../../docs/errcodes.md', import.meta.url), 'utf8');
  assert.ok(written === errcodesPage('en'), 'run `node bin/run.js docs/generate/main.ts`');
});
