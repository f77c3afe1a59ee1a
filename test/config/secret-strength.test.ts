/** Secrets that can be guessed are refused; those of common generators pass. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { entropyBits, STRONG_BITS } from '../../src/config/secret-strength.ts';
import { createRandom } from '../../src/runtime/seeded-random.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://wma@127.0.0.1/wma',
  S3_BUCKET: 'media',
  S3_REGION: 'eu-central-1',
  S3_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  S3_SECRET_ACCESS_KEY: 'a-secret-of-the-bucket',
  WECHAT_APP_ID: 'wx0123456789abcdef',
  WECHAT_APP_SECRET: '0123456789abcdef0123456789abcdef',
  WECHAT_TOKEN: 'token0123456789',
};
/**
 * Seeded, because about one text of `openssl rand -base64 16` in 80,000 has no letter of one case and so looks weaker
 * than it is: refused, which is harmless, but a random test would fail once in a hundred runs.
 */
const random = createRandom(1);
const randomBytes = (size: number) =>
  Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)));

const load = (keys: string, env: Record<string, string> = PRODUCTION) =>
  loadConfig({ ...env, API_KEYS: keys }, { dotEnvFolder: '/nowhere' });

describe('a secret', () => {
  const generators: [string, () => string][] = [
    ['openssl rand -hex 16', () => randomBytes(16).toString('hex')],
    ['openssl rand -hex 24', () => randomBytes(24).toString('hex').toUpperCase()],
    ['openssl rand -base64 16', () => randomBytes(16).toString('base64')],
    ['base64url of 16 bytes', () => randomBytes(16).toString('base64url')],
    [
      'uuidgen',
      () =>
        randomBytes(16)
          .toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    ],
  ];
  for (const [name, generate] of generators) {
    test(`made by ${name} is strong, each of two thousand times`, () => {
      for (let n = 0; n < 2_000; n++) {
        const secret = generate();
        assert.ok(entropyBits(secret) >= STRONG_BITS, secret);
      }
    });
  }

  for (const weak of [
    'sixteen-letters-',
    'a'.repeat(64),
    'abcdefghijklmnopqrstuvwxyz0123456789',
    '0123456789abcdef0123456789abcdef',
    '00000000000000000000000000000000',
    'password'.repeat(8),
    'Passw0rd!Passw0rd!Passw0rd!',
    'replace-by-a-long-random-text',
    'correct-horse-battery-staple',
    '12345678901234567890123456789012',
    randomBytes(15).toString('hex'),
    randomBytes(12).toString('base64'),
    `${randomBytes(8).toString('hex')}`.repeat(4),
  ]) {
    test(`such as ${weak} is weak`, () =>
      assert.ok(entropyBits(weak) < STRONG_BITS, String(entropyBits(weak))));
  }
});

describe('API_KEYS', () => {
  const strong = randomBytes(32).toString('hex');
  test('must be unguessable in production, and the error shows how to make one', () => {
    assert.equal(load(`admin:${strong}`).apiKeys.length, 1);
    assert.throws(() => load(`admin:${strong},crm:read:a-secret-of-the-crm`), {
      message: /API_KEYS entry 2: in production .*128 bits.*openssl rand -hex 32/,
    });
  });
  test('are never in the error', () => {
    assert.throws(
      () => load('admin:a-secret-of-the-crm'),
      (error: Error) => !error.message.includes('a-secret-of-the-crm'),
    );
  });
  test('may be shorter outside production', () => {
    assert.equal(load('admin:a-secret-of-the-crm', { DATA_DIR: '/nowhere' }).apiKeys.length, 1);
  });
});
