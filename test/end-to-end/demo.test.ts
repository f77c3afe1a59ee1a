/** `npm run demo -- --json` on every shape, and a day that is killed twice. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { Summary } from '../../src/demo/summary.ts';
import { postgresForTest, redisForTest } from '../machine/services.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, isAlive, type Program, startProgram, until } from './programs.ts';

const FILE = 'src/demo/main.ts';

function summaryOf(program: Program): Summary {
  const line = program.stdout().trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(line) as Summary;
}

/** 40 pictures, 10 voices, 6 videos; an invalid id, one that expires. `duplicates` differs where a day was cut off. */
function assertWholeDay({ bytes, duplicates, ...summary }: Summary): void {
  assert.deepEqual(summary, {
    received: 58,
    archived: 56,
    dead: 1,
    expired: 1,
    verified: 56,
    failures: [],
  });
  assert.ok(bytes > 30 * 1024 * 1024, `${bytes} bytes`);
}

async function assertDay(t: TestContext, args: string[], env: Record<string, string> = {}): Promise<Program> {
  const demo = startProgram(t, {
    file: FILE,
    folder: await folderForTest(t),
    args: ['--json', ...args],
    env,
  });
  const { code } = await demo.exit();
  assert.equal(code, 0, `${demo.stdout()}\n${demo.stderr()}`);
  const summary = summaryOf(demo);
  assertWholeDay(summary);
  assert.equal(summary.duplicates, 1);
  return demo;
}

test('a day on embedded parts, whatever else is configured', async (t) => {
  const demo = await assertDay(t, [], {
    DATABASE_URL: 'postgres://unused@127.0.0.1:1/none',
    S3_BUCKET: 'a-real-one',
    WECHAT_APP_SECRET_FILE: '/nowhere',
    NODE_ENV: 'production',
    PORT: '1',
  });
  assert.equal(demo.stderr(), '');
});

test('a day on Postgres and a foreign S3', async (t) => {
  const database = await postgresForTest(t);
  if (!database) return;
  await assertDay(t, ['--configured'], { DATABASE_URL: database, ...(await foreignS3(t)).env });
});

test('a day on Redis, Postgres and a foreign S3', async (t) => {
  const [database, redis] = [await postgresForTest(t), await redisForTest(t)];
  if (!database || !redis) return;
  await assertDay(t, ['--configured'], {
    DATABASE_URL: database,
    REDIS_URL: redis.url,
    QUEUE_PREFIX: redis.prefix,
    ...(await foreignS3(t)).env,
  });
});

test('a day that is killed twice continues where it was', { timeout: 240_000 }, async (t) => {
  const folder = await folderForTest(t);
  const start = () => startProgram(t, { file: FILE, folder, args: ['--json'], group: true });
  const someArchived = (program: Program, count: number) =>
    program.untilOutput(new RegExp(`(^archived[^]*?){${count}}`, 'm'));

  const first = start();
  await someArchived(first, 3);
  const children = await readFile(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8');
  const [service = 0] = children.trim().split(' ').map(Number);
  process.kill(first.pid, 'SIGKILL');
  await until('the service has ended without a signal', async () => !(await isAlive(service)), 15_000);
  await first.exit();

  const second = start();
  await someArchived(second, 20);
  await second.end();

  const third = start();
  const { code } = await third.exit();
  assert.equal(code, 0, `${third.stdout()}\n${third.stderr()}`);
  assert.match(third.stdout(), /its day continues/);
  assertWholeDay(summaryOf(third));
});
