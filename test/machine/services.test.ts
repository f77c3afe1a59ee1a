import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { onPostgres } from './postgres.ts';
import { findProgram } from './programs.ts';
import {
  chromiumForTest,
  postgresForTest,
  programForTest,
  redisForTest,
  startPostgres,
  startRedis,
} from './services.ts';

async function redisSays<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

test('two tests on the shared Redis get prefixes of their own', async (t) => {
  const [one, two] = [await redisForTest(t), await redisForTest(t)];
  if (!one || !two) return;
  assert.notEqual(one.prefix, two.prefix);
  assert.equal(await redisSays(one.url, (redis) => redis.set(`${one.prefix}:key`, '1')), 'OK');
});

test('the keys of a test are gone after it', async (t) => {
  let url = '';
  let key = '';
  await t.test('the test', async (inner) => {
    const redis = await redisForTest(inner);
    if (!redis) return;
    url = redis.url;
    key = `${redis.prefix}:key`;
    await redisSays(url, (client) => client.set(key, '1'));
  });
  if (!url) return t.skip('no Redis');
  assert.equal(await redisSays(url, (client) => client.exists(key)), 0);
});

test('every test gets an empty database, dropped after it although a connection is still open', async (t) => {
  let url = '';
  await t.test('the test', async (inner) => {
    const database = await postgresForTest(inner);
    if (!database) return;
    url = database;
    const tables = await onPostgres(url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'");
    assert.equal(tables.rowCount, 0);
  });
  if (!url) return t.skip('no Postgres');
  await assert.rejects(onPostgres(url, 'SELECT 1'), { code: '3D000' });
});

test('a Redis of its own, killed and started again, still has what it wrote', async (t) => {
  const server = await startRedis(t);
  if (!server) return;
  await redisSays(server.url, (redis) => redis.set('key', 'kept'));
  await server.kill();
  await assert.rejects(redisSays(server.url, (redis) => redis.on('error', () => {}).ping()));
  await server.start();
  assert.equal(await redisSays(server.url, (redis) => redis.get('key')), 'kept');
  assert.deepEqual(await redisSays(server.url, (redis) => redis.config('GET', 'maxmemory-policy')), [
    'maxmemory-policy',
    'noeviction',
  ]);
});

test('a Postgres of its own, stopped or killed and started again, still has what it wrote', async (t) => {
  const server = await startPostgres(t);
  if (!server) return;
  await onPostgres(server.url, 'CREATE TABLE kept AS SELECT 1 AS value');
  await server.stop();
  await assert.rejects(onPostgres(server.url, 'SELECT 1'), { code: 'ECONNREFUSED' });
  await server.start();
  await server.kill();
  await server.start();
  assert.deepEqual((await onPostgres(server.url, 'SELECT value FROM kept')).rows, [{ value: 1 }]);
});

test('the browser that was found prints its version', async (t) => {
  const path = chromiumForTest(t);
  if (!path) return;
  const { stdout } = await promisify(execFile)(path, ['--version']);
  assert.match(stdout, /Chrom/);
});

test('a program of Debian is found where it lies outside the PATH of a user', (t) => {
  const path = programForTest(t, 'pgbouncer');
  if (!path) return;
  assert.equal(findProgram('pgbouncer', { PATH: '/usr/bin' }), path);
  assert.equal(findProgram('no-such-program', process.env), undefined);
});
