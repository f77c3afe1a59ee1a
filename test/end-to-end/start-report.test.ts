/** A program that starts with everything wrong logs a line for each problem, with its cure, and runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../machine/server.ts';
import { missing, postgresForTest } from '../machine/services.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, startProgram, until } from './programs.ts';
import { setup } from './wechat.ts';

test('a wrong key of the store, a wrong secret and an unavailable queue are logged at the start', {
  skip: missing.postgres,
}, async (t) => {
  const database = await postgresForTest(t);
  if (!database) return;
  const { env: wechat, url } = await setup(t);
  const s3 = await foreignS3(t);
  const redisPort = await freePort();
  const program = startProgram(t, {
    file: 'src/main.ts',
    folder: await folderForTest(t),
    env: {
      ...wechat,
      ...s3.env,
      ALLOW_EMBEDDED: '',
      DATABASE_URL: database,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      S3_ACCESS_KEY_ID: 'UNKNOWNKEY',
      WECHAT_APP_SECRET: 'not-the-secret-0123456789abcdef',
    },
  });
  for (const line of [
    /"check":"store_key_unknown".*start: The storage does not know the access key.*Correct S3_ACCESS_KEY_ID/,
    /"check":"queue_away".*start: The queue does not respond.*REDIS_URL/,
    /start: no token for account \S+: .*[Ss]ecret/,
  ])
    await program.untilOutput(line);
  const codes = await until('all of it is in /readyz', async () => {
    const { degraded } = (await (await fetch(`${url}/readyz`)).json()) as { degraded: string[] };
    return degraded.includes('account_held') && degraded;
  });
  for (const code of ['store_key_unknown', 'queue_away', 'account_held'])
    assert.ok(codes.includes(code), code);
  assert.doesNotMatch(program.stderr(), /not-the-secret-0123456789abcdef/);
});
