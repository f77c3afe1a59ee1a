/** Every example of docs/producers.md, run as it stands; only addresses and the name of a role are put in. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { idOf } from '../../src/media.ts';
import type { ArchiveJob } from '../../src/queue/consumer.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { backends, SCHEMA, setup } from '../catalogue/backends.ts';
import { missing, redisForTest } from '../machine/services.ts';
import { KEYS, openTestServer, PLAIN, type TestServer } from '../server/setup.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../docs/producers.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
  language: language!,
  code: code!,
}));
const PRODUCER = new URL('../../src/producer/producer.ts', import.meta.url).href;
const idFrom = (mediaId: string) => idOf(PLAIN.account, mediaId);

/** The one example of a language that speaks of `word`. */
function example(language: string, word: string): string {
  const found = examples.filter((one) => one.language === language && one.code.includes(word));
  assert.equal(found.length, 1, `${language}: ${word}`);
  return found[0]!.code;
}

/** Why a command cannot be run here, or false. */
function unable(program: string, ...args: string[]): string | false {
  const { status } = spawnSync(program, args, { stdio: 'ignore', timeout: 20_000 });
  return status === 0 ? false : `no ${[program, ...args].join(' ')} here`;
}

async function write(t: TestContext, name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-example-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

test('every example is tried by a test below', () => {
  const languages = examples.map(({ language }) => language).sort();
  assert.deepEqual(languages, ['go', 'java', 'js', 'php', 'python', 'python', 'sh', 'sql', 'sql']);
});

describe('over HTTP', () => {
  let server: TestServer;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());

  for (const [language, file, command, args, probe] of [
    ['sh', 'archive.sh', 'sh', [], ['curl', '--version']],
    ['python', 'archive.py', 'python3', [], ['python3', '-c', 'import requests']],
    ['php', 'archive.php', 'php', [], ['php', '-r', 'curl_version();']],
    ['go', 'archive.go', 'go', ['run'], ['go', 'version']],
    ['java', 'Archive.java', 'java', [], ['java', '--list-modules']],
  ] as const) {
    const skip = unable(probe[0], ...probe.slice(1));
    test(`${language} adds a reference`, { skip }, async (t) => {
      const code = example(language, 'http://127.0.0.1:8080').replace('http://127.0.0.1:8080', server.url);
      const path = await write(t, file, code);
      const env = { ...process.env, ARCHIVER_KEY: KEYS.write };
      await run(command, [...args, path], { env, timeout: 60_000 });
      const name = language === 'sh' ? 'curl' : language;
      const answer = await server.call(`/v1/media/${idFrom(`media-from-${name}`)}`, { key: 'read' });
      assert.equal(answer.status, 200);
      // A key that is wrong makes it fail, so that a handler does not return success to WeChat.
      const wrong = run(command, [...args, path], { env: { ...env, ARCHIVER_KEY: 'x' }, timeout: 60_000 });
      await assert.rejects(wrong);
    });
  }
});

describe('beside the database', { skip: missing.postgres }, () => {
  const postgres = backends.find(({ name }) => name === 'Postgres')!;

  test('the package takes messages and references', async (t) => {
    const { database, catalogue } = (await setup(t, postgres.open))!;
    await catalogue.accounts.ensure([PLAIN.account]);
    const [row] = await database.query<{ name: string }>('SELECT current_database() AS name');
    const url = new URL(process.env.TEST_DATABASE_URL!);
    url.pathname = `/${row!.name}`;
    const path = await write(
      t,
      'archive.mjs',
      example('js', 'createProducer').replace('wechat-media-archiver', PRODUCER),
    );
    await run(process.execPath, [path], { env: { ...process.env, DATABASE_URL: url.href }, timeout: 60_000 });
    const message = await catalogue.media.get(idFrom('media-from-message'));
    assert.equal(message?.msgId, '22800264023876468');
    assert.deepEqual((await catalogue.media.get(idFrom('media-from-reference')))?.labels, { shop: '7' });
  });

  test('the SQL function, and the rights it needs', async (t) => {
    const { database, catalogue } = (await setup(t, postgres.open))!;
    await catalogue.accounts.ensure([PLAIN.account]);
    const role = `handler_${process.pid}`;
    await database.query(`CREATE ROLE ${role}`);
    try {
      await database.query(example('sql', 'GRANT').replaceAll('handler', role));
      await database.transaction(async (transaction) => {
        await transaction.query(`SET LOCAL ROLE ${role}`);
        await transaction.query(example('sql', 'media-from-sql'));
      });
      const row = await catalogue.media.get(idFrom('media-from-sql'));
      assert.deepEqual(row?.sentAt, new Date(1_777_636_800_000));
      const [id] = await database.query(`SELECT ${SCHEMA}.id_of($1, 'media-from-sql') AS id`, [
        PLAIN.account,
      ]);
      assert.deepEqual(id, { id: row?.id });
    } finally {
      await database.query(`DROP OWNED BY ${role}`);
      await database.query(`DROP ROLE ${role}`);
    }
  });
});

const noPort = unable('python3', '-c', 'import bullmq');
test("BullMQ's port for Python adds a job that a worker takes", {
  skip: missing.redis || noPort,
}, async (t) => {
  const { url, prefix } = (await redisForTest(t))!;
  const path = await write(t, 'archive.py', example('python', 'bullmq').replace('{wma}', prefix));
  await run('python3', [path], { env: { ...process.env, REDIS_URL: url }, timeout: 60_000 });
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const queue = await openArchiveQueue({ kind: 'redis', url, prefix }, { log });
  t.after(() => queue.close());
  const arrived = Promise.withResolvers<ArchiveJob>();
  const consumer = await queue.consume(
    async (job) => {
      arrived.resolve(job);
      return { action: 'finish', result: 'seen' };
    },
    { concurrency: 1 },
  );
  t.after(() => consumer.close(1_000));
  const { jobId, id, reference } = await arrived.promise;
  assert.deepEqual([jobId, id], [idFrom('media-from-queue'), idFrom('media-from-queue')]);
  assert.equal(reference.sentAt.toISOString(), '2026-05-01T12:00:00.000Z');
});
