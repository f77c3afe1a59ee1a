import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApiKeys } from '../../src/config/api-keys.ts';

const SECRETS = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb', 'cccccccccccccccc'] as const;

test('a key has a scope, which includes the ones before, and may have a name and accounts', () => {
  const [a, b, c] = SECRETS;
  assert.deepEqual(parseApiKeys(`read:${a}, crm:write:${b},ops:read+admin@wx1+shop:${c}`), {
    value: [
      { name: 'key-1', scopes: ['read'], secret: a },
      { name: 'crm', scopes: ['read', 'write'], secret: b },
      { name: 'ops', scopes: ['read', 'write', 'admin'], accounts: ['wx1', 'shop'], secret: c },
    ],
  });
});

test('every malformed key is named by its position and never quoted', () => {
  const text = `sekret-sekret-sekret,root:${SECRETS[0]},read:sekret,crm:read@:${SECRETS[1]},a b:read:${SECRETS[2]},`;
  const parsed = parseApiKeys(text);
  assert.ok('wrong' in parsed);
  assert.deepEqual(parsed.wrong.match(/entry \d/g), [
    'entry 1',
    'entry 2',
    'entry 3',
    'entry 4',
    'entry 5',
    'entry 6',
  ]);
  assert.doesNotMatch(parsed.wrong, /sekret|aaaa|bbbb|cccc/);
});

test('no two keys share a secret or a name', () => {
  const [a, b] = SECRETS;
  assert.deepEqual(parseApiKeys(`read:${a},admin:${a}`), { wrong: 'two entries have the same secret' });
  assert.deepEqual(parseApiKeys(`x:read:${a},x:admin:${b}`), { wrong: 'two entries have the same name' });
});
