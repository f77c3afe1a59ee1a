/** The package as another project installs it: packed, installed by npm, imported by the machine's own Node, type-checked. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../src/catalogue/database/postgres.ts';
import { idOf } from '../../src/media.ts';
import type { ArchiveJob } from '../../src/queue/consumer.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { lifetimes } from '../catalogue/backends.ts';
import { missing, postgresForTest, redisForTest } from '../machine/services.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const SILENT = createLog({ level: 'silent', program: 'test', secrets: [] });
const ACCOUNT = 'wx0123456789abcdef';
const MESSAGE = {
  ToUserName: 'gh_e136c6e50636',
  FromUserName: 'oMgHVjngRipVsoxg6TuX3vz6glDg',
  CreateTime: '1777636800',
  MsgType: 'video',
  MediaId: 'video-媒体-1',
  ThumbMediaId: 'thumb-1',
  MsgId: '22800264023876468',
};

/** The PATH of another shell: without what npm put into it for our scripts. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => existsSync(folder) && !realpathSync(folder).startsWith(join(ROOT, 'node_modules')))
  .join(delimiter);
const env = { ...process.env, PATH };

describe('the published package', () => {
  let folder: string;
  let consumer: string;
  const installed = (path: string) => join(consumer, 'node_modules/wechat-media-archiver', path);
  const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wma-pack-'));
    consumer = join(folder, 'consumer');
    const project = join(folder, 'project');
    // A copy, because building writes dist.
    for (const part of [
      'package.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'bin',
      'src',
      'LICENSE',
      'README.md',
    ]) {
      await cp(join(ROOT, part), join(project, part), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(project, 'node_modules'));
    await run(process.execPath, ['bin/build.js'], { cwd: project, env });
    const { stdout } = await run('npm', ['pack', './dist', '--pack-destination', folder], {
      cwd: project,
      env,
    });
    const tarball = join(folder, stdout.trim().split('\n').at(-1)!);
    await mkdir(consumer);
    await writeFile(
      join(consumer, 'package.json'),
      '{ "name": "consumer", "private": true, "type": "module" }',
    );
    const install = ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    await run('npm', install, { cwd: consumer, env });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs a module of the consumer's on the machine's own Node; returns what it prints. */
  async function onOwnNode(script: string, ...args: string[]): Promise<unknown> {
    await writeFile(join(consumer, 'main.js'), script);
    const { stdout, stderr } = await run('node', ['main.js', ...args], {
      cwd: consumer,
      env,
      timeout: 30_000,
    });
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  }
  const ARCHIVE = `
    import { createProducer } from 'wechat-media-archiver';
    const producer = createProducer(JSON.parse(process.argv[2]));
    console.log(JSON.stringify(await producer.archive(JSON.parse(process.argv[3]))));
    await producer.close();
  `;

  it('holds the producer, the command line, its manifest, the licence and the README, and nothing else', async () => {
    const files = await readdir(installed('.'), { recursive: true, withFileTypes: true });
    const others = files.filter((file) => file.isFile() && !/\.(js|d\.ts)$/.test(file.name));
    assert.deepEqual(others.map(({ name }) => name).sort(), ['LICENSE', 'README.md', 'package.json']);
    // What the manifest offers is in it, each with its types; the service and its tests are not.
    const manifest = await json(installed('package.json'));
    const offered = [
      manifest.main,
      manifest.types,
      manifest.bin.wma,
      ...Object.values(manifest.exports['.']),
    ];
    for (const path of offered as string[])
      assert.ok((await readFile(installed(path), 'utf8')).length > 100, path);
    const folders = files.filter((file) => file.isDirectory()).map(({ name }) => name);
    for (const room of ['producer', 'cli', 'catalogue', 'queue']) assert.ok(folders.includes(room), room);
    for (const room of ['server', 'simulator', 'embedded', 'demo', 'test', 'workers', 'migrations'])
      assert.ok(!folders.includes(room), room);
  });

  it('asks for what it imports and for no Node, no script and no tool', async () => {
    const manifest = await json(installed('package.json'));
    assert.deepEqual(Object.keys(manifest.dependencies), [
      'bullmq',
      'commander',
      'ioredis',
      'pg',
      'pino',
      'zod',
    ]);
    for (const group of ['private', 'scripts', 'optionalDependencies', 'devDependencies', 'overrides']) {
      assert.equal(manifest[group], undefined, group);
    }
  });

  it('brings wma, which runs on the machine’s own Node', async () => {
    const wma = join(consumer, 'node_modules/.bin/wma');
    const { stdout } = await run(wma, ['--help'], { cwd: consumer, env });
    assert.match(stdout, /^Usage: wma /);
    const list = run(wma, ['list', '--url', 'http://127.0.0.1:9'], { cwd: consumer, env });
    await assert.rejects(list, (error: { code?: number; stderr?: string }) => {
      assert.match(error.stderr ?? '', /^No server responds at http:\/\/127\.0\.0\.1:9 /);
      return error.code === 5;
    });
    await assert.rejects(
      run(wma, ['migrate'], { cwd: consumer, env }),
      /run wma migrate where the service is installed/,
    );
  });

  it('writes rows from the machine’s own Node', { skip: missing.postgres }, async (t) => {
    const url = (await postgresForTest(t))!;
    const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 2, log: SILENT });
    t.after(() => pool.end());
    const database = createDatabase(pool);
    await migrate(database, 'wma', new Date());
    const catalogue = createCatalogue(database, 'wma', lifetimes);
    await catalogue.accounts.ensure([ACCOUNT]);
    const options = JSON.stringify({ account: ACCOUNT, databaseUrl: url });
    const answer = await onOwnNode(ARCHIVE, options, JSON.stringify(MESSAGE));
    const shared = { account: ACCOUNT, status: 'pending' };
    const id = idOf(ACCOUNT, MESSAGE.MediaId);
    assert.deepEqual(answer, [
      { id, ...shared, mediaId: MESSAGE.MediaId, kind: 'video' },
      { id: idOf(ACCOUNT, 'thumb-1'), ...shared, mediaId: 'thumb-1', kind: 'thumb' },
    ]);
    const row = await catalogue.media.get(id);
    assert.equal(row?.msgId, MESSAGE.MsgId);
    assert.deepEqual(row?.sentAt, new Date(1_777_636_800_000));
  });

  it('adds jobs from the machine’s own Node', { skip: missing.redis }, async (t) => {
    const { url, prefix } = (await redisForTest(t))!;
    const options = JSON.stringify({ account: ACCOUNT, redisUrl: url, prefix });
    await onOwnNode(ARCHIVE, options, JSON.stringify(MESSAGE));
    const queue = await openArchiveQueue({ kind: 'redis', url, prefix }, { log: SILENT });
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
    const job = await arrived.promise;
    assert.equal(job.jobId, idOf(ACCOUNT, MESSAGE.MediaId));
    assert.equal(job.generation, undefined);
    assert.equal(job.reference.mediaId, MESSAGE.MediaId);
  });

  it('type-checks, its declarations included', async () => {
    await writeFile(
      join(consumer, 'main.ts'),
      `import { type Archived, createProducer, ProducerError } from 'wechat-media-archiver';
       const producer = createProducer({ account: 'wx1', databaseUrl: 'postgres://localhost/wma' });
       const media: Archived[] = await producer.archive({ MsgType: 'image', MediaId: 'a', ToUserName: 'gh_1' });
       await producer.archive([{ mediaId: 'a', kind: 'voice', variant: '16k', sentAt: new Date(0) }]);
       // @ts-expect-error no such kind
       await producer.archive({ mediaId: 'a', kind: 'gif' });
       // @ts-expect-error rows or jobs, not both
       createProducer({ account: 'wx1', databaseUrl: 'postgres://localhost/wma', redisUrl: 'redis://localhost' });
       export const id: string | undefined = media[0]?.id;
       export const isOurs = (error: unknown) => error instanceof ProducerError && error.code === 'unavailable';
      `,
    );
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022'];
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const result = await run(process.execPath, [compiler, ...options, 'main.ts'], { cwd: consumer }).catch(
      (error: { stdout: string }) => error,
    );
    assert.equal(result.stdout, '');
  });
});
