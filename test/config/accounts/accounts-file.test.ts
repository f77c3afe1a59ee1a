import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretsOf } from '../../../src/account.ts';
import { parseAccounts } from '../../../src/config/accounts/accounts-file.ts';

const AES_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
const FILES: Record<string, string> = {
  '/etc/wma/shop.secret': 'from-the-file\n',
  '/etc/wma/shop.url': 'https://tokens/shop\n',
  '/empty': '\n',
};

function parse(content: unknown, production = false) {
  return parseAccounts(typeof content === 'string' ? content : JSON.stringify(content), {
    path: '/etc/wma/accounts.json',
    concurrency: 4,
    production,
    readFile: (path) => {
      const text = FILES[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
  });
}

const account = (appId: string, more: object = {}) => ({
  appId,
  secret: 'the-app-secret',
  token: 'tok',
  ...more,
});

test('an account gets defaults for the fields it does not set', () => {
  const { accounts, wrong } = parse([
    account('wx1'),
    account('wx2', { product: 'miniprogram', concurrency: 9 }),
  ]);
  assert.deepEqual(wrong, []);
  const common = { secret: 'the-app-secret', token: 'tok', requireEncryption: false };
  assert.deepEqual(accounts, [
    { account: 'wx1', appId: 'wx1', product: 'official', concurrency: 4, ...common },
    { account: 'wx2', appId: 'wx2', product: 'miniprogram', concurrency: 9, ...common },
  ]);
});

test('the path of a secret file is relative to the accounts file', () => {
  const { accounts } = parse([{ appId: 'wx1', token: 't', secretFile: 'shop.secret' }]);
  assert.equal(accounts[0]?.secret, 'from-the-file');
  const { wrong } = parse([
    { appId: 'wx1', token: 't', secretFile: '/missing' },
    { appId: 'wx2', token: 't', secretFile: '/empty' },
    account('wx3', { secretFile: 'shop.secret' }),
    { appId: 'wx4', token: 't' },
  ]);
  assert.deepEqual(wrong, [
    '[0].secretFile cannot be read: /missing (ENOENT)',
    '[1].secretFile is empty: /empty',
    '[2].secretFile is set, and secret too',
    '[3].secret is missing (or secretFile)',
  ]);
});

test('encryption is required by default only in production and with a key', () => {
  const required = (production: boolean, more: object) =>
    parse([account('wx1', more)], production).accounts[0]?.requireEncryption;
  assert.equal(required(true, { encodingAesKey: AES_KEY }), true);
  assert.equal(required(true, { encodingAesKey: AES_KEY, requireEncryption: false }), false);
  assert.equal(required(true, {}), false);
  assert.equal(required(false, { encodingAesKey: AES_KEY }), false);
});

test('every mistake is named by index and field, with the field that was meant', () => {
  const { wrong } = parse([
    account('wx1', { secrte: 'x' }),
    account('wx/2', { encodingAesKey: 'short' }),
    { appId: 'wx3', secret: 's' },
    account('wx4', { requireEncryption: true }),
    account('wx5', { name: 'a/b' }),
    account('wx6', { concurrency: 0, colour: 'red' }),
    'wx7',
  ]);
  assert.deepEqual(wrong, [
    '[0].secrte is not a known field; did you mean secret?',
    '[1].appId must be 1 to 64 letters, digits, _ or -',
    '[1].encodingAesKey must be the 43 letters and digits that the console shows',
    '[2].token is missing',
    '[3].requireEncryption needs encodingAesKey',
    '[4].name must be 1 to 64 letters, digits, dots, _ or -',
    '[5].concurrency Too small: expected number to be >=1',
    '[5].colour is not a known field',
    '[6] is wrong: expected object, received string',
  ]);
});

test('a handler behind the archiver is an http URL without credentials', () => {
  const upstreamUrl = 'http://handler.internal:3000/wechat?key=k';
  const { accounts } = parse([account('wx1', { upstreamUrl, upstreamOnFailure: 'success' })]);
  assert.deepEqual([accounts[0]?.upstreamUrl, accounts[0]?.upstreamOnFailure], [upstreamUrl, 'success']);
  const { wrong } = parse([
    account('wx1', { upstreamUrl: 'ftp://example.com' }),
    account('wx2', { upstreamUrl: 'https://user:word@example.com' }),
    account('wx3', { upstreamUrl: 'example.com' }),
    account('wx4', { upstreamOnFailure: 'fail' }),
  ]);
  const form = 'must be an http:// or https:// URL without user, password or fragment';
  assert.deepEqual(wrong, [
    `[0].upstreamUrl ${form}`,
    `[1].upstreamUrl ${form}`,
    `[2].upstreamUrl ${form}`,
    '[3].upstreamOnFailure needs upstreamUrl',
  ]);
});

test('an account of WeCom is identified by corporation and application, and always encrypted', () => {
  const wecom = { product: 'wecom', corpId: 'ww1', agentId: 1000002, secret: 's', token: 't' };
  const { accounts, wrong } = parse([{ ...wecom, encodingAesKey: AES_KEY }]);
  assert.deepEqual(wrong, []);
  assert.deepEqual(accounts, [
    {
      account: 'ww1-1000002',
      product: 'wecom',
      appId: 'ww1',
      secret: 's',
      token: 't',
      encodingAesKey: AES_KEY,
      requireEncryption: true,
      concurrency: 4,
    },
  ]);
  assert.deepEqual(
    parse([
      wecom,
      { ...wecom, corpId: undefined, agentId: 'x', encodingAesKey: AES_KEY },
      { ...wecom, agentId: undefined, appId: 'wx1', encodingAesKey: AES_KEY, tokenSource: 'token' },
      account('wx1', { corpId: 'ww1' }),
    ]).wrong,
    [
      '[0].encodingAesKey is missing: WeCom encrypts every callback',
      '[1].agentId must be a number',
      '[2].appId is not for product wecom: set corpId and agentId',
      '[2].agentId is missing',
      '[2].tokenSource token is not for product wecom',
      '[3].corpId and agentId are for product wecom',
    ],
  );
});

test('a token may be external, and its secrets in files', () => {
  const external = (tokenSource: object | string, more: object = {}) => ({
    appId: `wx${JSON.stringify(tokenSource).length}`,
    token: 't',
    tokenSource,
    ...more,
  });
  const { accounts, wrong } = parse([
    external('token', { secret: 's' }),
    external({ type: 'redis', url: 'redis://:pw@cache:6379/1', key: 'wx:access_token', field: 'f' }),
    external({ type: 'http', urlFile: 'shop.url', authorization: 'Bearer abc' }),
    external({ type: 'static', accessTokenFile: 'shop.secret' }),
    external(
      { type: 'component', componentAppId: 'wxc', componentSecretFile: 'shop.secret', refreshToken: 'r' },
      { encodingAesKey: AES_KEY },
    ),
  ]);
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    accounts.map(({ secret, tokenSource }) => ({ secret, ...tokenSource })),
    [
      { secret: 's', type: 'token' },
      { secret: '', type: 'redis', url: 'redis://:pw@cache:6379/1', key: 'wx:access_token', field: 'f' },
      { secret: '', type: 'http', url: 'https://tokens/shop', authorization: 'Bearer abc' },
      { secret: '', type: 'static', accessToken: 'from-the-file' },
      { secret: 'from-the-file', type: 'component', componentAppId: 'wxc', refreshToken: 'r' },
    ],
  );
  assert.deepEqual(
    accounts.flatMap(secretsOf).filter((secret) => secret.length > 1),
    ['redis://:pw@cache:6379/1', 'pw', 'https://tokens/shop', 'Bearer abc', 'from-the-file']
      .concat('from-the-file', AES_KEY)
      .filter(Boolean),
  );
});

test('an invalid token source is named by index and field, and never quoted', () => {
  const { wrong } = parse([
    account('wx1', { tokenSource: 'oracle' }),
    account('wx2', { tokenSource: { type: 'redis', url: 'redis://cache', key: 'k' } }),
    { appId: 'wx3', token: 't', tokenSource: { type: 'redis', url: 'http://cache/topsecret', key: 'k' } },
    { appId: 'wx4', token: 't', tokenSource: { type: 'http' } },
    { appId: 'wx5', token: 't', tokenSource: { type: 'static', accessToken: 'a b', colour: 'red' } },
    { appId: 'wx6', token: 't', tokenSource: { type: 'static', accessToken: 'top secret' } },
    { appId: 'wx7', token: 't', tokenSource: { type: 'component', componentAppId: 'c' } },
    {
      appId: 'wx8',
      token: 't',
      tokenSource: { type: 'static', accessToken: 'a', accessTokenFile: '/empty' },
    },
  ]);
  assert.deepEqual(wrong, [
    "[0].tokenSource.type is wrong: Expected 'stable_token' | 'token' | 'gettoken' | 'component' | 'redis' | 'http' | 'static'",
    '[1].secret is not used with tokenSource redis',
    '[2].tokenSource.url must be a URL that starts with redis:// or rediss://',
    '[3].tokenSource.url is missing (or urlFile)',
    '[4].tokenSource.colour is not a known field',
    '[5].tokenSource.accessToken must be printable ASCII without spaces',
    '[6].tokenSource.componentSecret is missing (or componentSecretFile)',
    '[6].encodingAesKey is missing: WeChat encrypts every callback of a third-party platform',
    '[7].tokenSource.accessTokenFile is set, and accessToken too',
  ]);
});

test('ids and names are unique, and no name is the id of another account', () => {
  const { wrong } = parse([
    account('wx1', { name: 'shop' }),
    account('wx1'),
    account('wx2', { name: 'shop' }),
    account('wx3', { name: 'wx2' }),
  ]);
  assert.deepEqual(wrong, [
    'has account wx1 twice',
    'has the name shop twice',
    "names an account wx2, which is another's identity",
  ]);
});

test('a file that is not an array of accounts is refused without quoting it', () => {
  assert.deepEqual(parse('{}').wrong, ['must be a JSON array of at least one account']);
  assert.deepEqual(parse('[]').wrong, ['must be a JSON array of at least one account']);
  for (const broken of [
    '[{"secret":"topsecret123" "x"}]',
    '[{"secret": topsecret123}]',
    '[{"secret":"topsecret123',
    '',
  ]) {
    const { wrong } = parse(broken);
    assert.match(wrong.join(), /^is not JSON/);
    assert.doesNotMatch(wrong.join(), /topsecret/);
  }
});
