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
import { withTimeout } from '../../src/runtime/timeout.ts';
import { lifetimes } from '../catalogue/backends.ts';
import { missing, postgresForTest, redisForTest } from '../machine/services.ts';
import { KEYS, openTestServer, PLAIN } from '../server/setup.ts';

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

const ARCHIVE = `
  const producer = createProducer(args[0]);
  try {
    return await producer.archive(args[1]);
  } finally {
    await producer.close();
  }`;

/** A program that uses the types. */
const CONSUMER = `
  const producer = createProducer({ account: 'wx1', databaseUrl: 'postgres://localhost/wma' });
  const media: Archived[] = await producer.archive({ MsgType: 'image', MediaId: 'a', ToUserName: 'gh_1' });
  await producer.archive([{ mediaId: 'a', kind: 'voice', variant: '16k', sentAt: new Date(0) }]);
  // @ts-expect-error no such kind
  await producer.archive({ mediaId: 'a', kind: 'gif' });
  // @ts-expect-error rows or jobs, not both
  createProducer({ account: 'wx1', databaseUrl: 'postgres://localhost/wma', redisUrl: 'redis://localhost' });
  export const id: string | undefined = media[0]?.id;
  export const isOurs = (error: unknown) => error instanceof ProducerError && error.code === 'unavailable';
  const client = createClient({ url: 'https://archiver.example.com', key: 'key' });
  const added = await client.add({ account: 'wx1', mediaId: 'a', kind: 'image', labels: { shop: '7' } });
  export const status: 'pending' | 'archived' | 'dead' | 'expired' | 'erased' = added.status;
  // @ts-expect-error the account is missing
  await client.add({ mediaId: 'a', kind: 'image' });
  for (const { id, problem } of await client.add([{ account: 'wx1', mediaId: 'a', kind: 'image', openId: undefined }])) {
    if (problem) problem.advice.trim();
    else id.trim();
  }
  for await (const { sizeBytes } of client.list({ status: ['archived', 'dead'], sentFrom: new Date(0) })) sizeBytes?.toFixed();
  // @ts-expect-error no such status
  client.list({ status: 'stored' });
  for await (const { nextCursor } of client.list().pages()) nextCursor?.trim();
  for await (const event of client.events({ after: 'now', types: ['media.archived'], signal: AbortSignal.timeout(1) })) {
    event.cursor.trim();
    if (event.type === 'media.archived') event.data.objectKey?.trim();
    else if (event.type === 'account.held') event.data.hold?.reason.trim();
    else if (event.type === 'store.held') event.data.hold?.until.trim();
  }
  const { body, bytes } = await client.content('m_1', { timeoutMs: 1_000 });
  for await (const chunk of body) chunk.byteLength.toFixed();
  export const size: number = (await bytes()).byteLength;
  export const link: string = (await client.link('m_1', { ttl: '1h' })).url;
  export const code = (error: unknown) => (error instanceof ClientError ? error.code : undefined);
`;

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
      'tsconfig.library.json',
      'bin',
      'src',
      'LICENSE',
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
    await writeFile(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }');
    const install = ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    await run('npm', install, { cwd: consumer, env });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Installs what a way of producing needs, as its README says; here from our own node_modules. */
  async function addPackages(...names: string[]): Promise<void> {
    for (const name of names)
      await symlink(join(ROOT, 'node_modules', name), join(consumer, 'node_modules', name));
  }

  it('holds the library, the command line, its manifest, the licence and its own README, and nothing else', async () => {
    const files = await readdir(installed('.'), { recursive: true, withFileTypes: true });
    const others = files.filter((file) => file.isFile() && !/\.(js|d\.ts)$/.test(file.name));
    assert.deepEqual(others.map(({ parentPath, name }) => join(parentPath, name)).sort(), [
      installed('LICENSE'),
      installed('README.md'),
      installed('lib/package.json'),
      installed('package.json'),
    ]);
    const manifest = await json(installed('package.json'));
    const { '.': entry } = manifest.exports;
    const offered = [manifest.main, manifest.types, manifest.bin.wma, entry.import, entry.require];
    const paths = offered.flatMap((one) => (typeof one === 'string' ? one : Object.values<string>(one)));
    for (const path of paths) assert.ok((await readFile(installed(path), 'utf8')).length > 30, path);
    const folders = files.filter((file) => file.isDirectory()).map(({ name }) => name);
    for (const room of ['producer', 'client', 'cli', 'catalogue', 'queue'])
      assert.ok(folders.includes(room), room);
    for (const room of ['server', 'simulator', 'embedded', 'demo', 'test', 'workers', 'migrations'])
      assert.ok(!folders.includes(room), room);
  });

  it('has a README whose links lead somewhere without the repository', async () => {
    const readme = await readFile(installed('README.md'), 'utf8');
    assert.match(readme, /createClient/);
    const anchors = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, title]) => `#${title!.toLowerCase()}`);
    for (const [, target] of readme.matchAll(/\]\(([^)\s]+)\)/g))
      assert.ok(/^https:/.test(target!) || anchors.includes(target!), target);
  });

  it('installs little: what one way of producing needs is left to the program that uses it', async () => {
    const manifest = await json(installed('package.json'));
    assert.deepEqual(Object.keys(manifest.dependencies), ['commander', 'zod']);
    assert.deepEqual(Object.keys(manifest.peerDependencies), ['bullmq', 'ioredis', 'pg']);
    for (const name of Object.keys(manifest.peerDependencies))
      assert.deepEqual(manifest.peerDependenciesMeta[name], { optional: true });
    const packages = (await readdir(join(consumer, 'node_modules'))).filter((name) => !name.startsWith('.'));
    assert.deepEqual(packages.sort(), ['commander', 'wechat-media-archiver', 'zod']);
    for (const group of ['private', 'scripts', 'optionalDependencies', 'devDependencies', 'overrides']) {
      assert.equal(manifest[group], undefined, group);
    }
    for (const group of ['keywords', 'license', 'description']) assert.ok(manifest[group], group);
    // The address of the repository is set once it is known, and then published.
    const { repository } = await json(join(ROOT, 'package.json'));
    assert.deepEqual(manifest.repository, repository);
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

  it('has types that need no other package, for import and for require', async () => {
    const alone = join(folder, 'alone');
    const modules = join(alone, 'node_modules');
    await cp(installed('.'), join(modules, 'wechat-media-archiver'), { recursive: true });
    await mkdir(join(modules, '@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types'])
      await symlink(join(ROOT, 'node_modules', name), join(modules, name));
    const [imported, required] = ['main.mts', 'main.cts'];
    const names = 'type Archived, ClientError, createClient, createProducer, ProducerError';
    await writeFile(join(alone, imported), `import { ${names} } from 'wechat-media-archiver';\n${CONSUMER}`);
    await writeFile(
      join(alone, required),
      `import { ${names} } from 'wechat-media-archiver';\nexport const run = async () => {${CONSUMER.replaceAll('export ', '')}};`,
    );
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const strict = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022', '--types', 'node'];
    for (const options of [
      ['--module', 'node16', '--moduleResolution', 'node16', imported, required],
      ['--module', 'nodenext', imported, required],
      ['--module', 'esnext', '--moduleResolution', 'bundler', '--exactOptionalPropertyTypes', imported],
    ]) {
      const result = await run(process.execPath, [compiler, ...strict, ...options], { cwd: alone }).catch(
        (error: { stdout: string }) => error,
      );
      assert.equal(result.stdout, '', options.join(' '));
    }
  });

  describe('on each Node', () => {
    /** The machine's own Node, and the one that runs these tests. */
    const nodes = ['node', process.execPath];
    const forms = {
      import: (names: string) => `import { ${names} } from 'wechat-media-archiver';`,
      require: (names: string) => `const { ${names} } = require('wechat-media-archiver');`,
    };
    const shapes = nodes.flatMap((node) =>
      (['import', 'require'] as const).map((form) => ({ node, form, name: `${node}, ${form}` })),
    );

    /** Runs a program of the consumer's; returns what it prints. It ends when its work is done: no connection keeps it running. */
    async function onNode(
      { node, form }: (typeof shapes)[number],
      names: string,
      body: string,
      ...args: unknown[]
    ): Promise<unknown> {
      const file = form === 'import' ? 'main.mjs' : 'main.cjs';
      const print = 'console.log(JSON.stringify(await main(...process.argv.slice(2).map(JSON.parse))));';
      const main = `async function main(...args) {${body}}`;
      await writeFile(join(consumer, file), `${forms[form](names)}\n${main}\n(async () => {${print}})();`);
      const { stdout, stderr } = await run(node, [file, ...args.map((arg) => JSON.stringify(arg))], {
        cwd: consumer,
        env,
        timeout: 60_000,
      });
      assert.equal(stderr, '');
      return JSON.parse(stdout);
    }

    it('names the packages that a way of producing needs', async () => {
      const body = `
        const codes = [];
        for (const options of args) {
          const producer = createProducer({ account: 'wx1', ...options });
          await producer.archive({ mediaId: 'a', kind: 'image' }).catch((error) => {
            if (!(error instanceof ProducerError)) throw error;
            codes.push(error.code + ': ' + error.message);
          });
          await producer.close();
        }
        return codes;`;
      for (const shape of shapes) {
        const options = [{ databaseUrl: 'postgres://127.0.0.1/x' }, { redisUrl: 'redis://127.0.0.1:1' }];
        const codes = await onNode(shape, 'createProducer, ProducerError', body, ...options);
        assert.match(
          `${codes}`,
          /^misconfigured: .*npm install pg,misconfigured: .*npm install bullmq ioredis$/,
        );
      }
    });

    it('speaks to a server with nothing else installed', async (t) => {
      const server = await openTestServer();
      t.after(() => server.close());
      const body = `
        const client = createClient(args[0]);
        const added = await client.add(args[1]);
        const ids = [];
        for await (const { id } of client.list({ id: added.id })) ids.push(id);
        const error = await client.get('m_' + '0'.repeat(32)).catch((error) => error);
        return [added.id, ids, error instanceof ClientError, error.code];`;
      for (const [index, shape] of shapes.entries()) {
        const mediaId = `packed-${index}`;
        const reference = { account: PLAIN.account, mediaId, kind: 'image' };
        const options = { url: server.url, key: KEYS.write };
        const id = idOf(PLAIN.account, mediaId);
        const result = await onNode(shape, 'createClient, ClientError', body, options, reference);
        assert.deepEqual(result, [id, [id], true, 'media_not_found'], shape.name);
      }
    });

    it('writes rows once pg is installed', { skip: missing.postgres }, async (t) => {
      await addPackages('pg');
      const url = (await postgresForTest(t))!;
      const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 2, log: SILENT });
      t.after(() => pool.end());
      const database = createDatabase(pool);
      await migrate(database, 'wma', new Date());
      const catalogue = createCatalogue(database, 'wma', lifetimes);
      await catalogue.accounts.ensure([ACCOUNT]);
      for (const [index, shape] of shapes.entries()) {
        const message = {
          ...MESSAGE,
          MediaId: `${MESSAGE.MediaId}-${index}`,
          ThumbMediaId: `thumb-${index}`,
        };
        const options = { account: ACCOUNT, databaseUrl: url };
        const answer = await onNode(shape, 'createProducer', ARCHIVE, options, message);
        const shared = { account: ACCOUNT, status: 'pending' };
        const id = idOf(ACCOUNT, message.MediaId);
        assert.deepEqual(answer, [
          { id, ...shared, mediaId: message.MediaId, kind: 'video' },
          {
            id: idOf(ACCOUNT, message.ThumbMediaId),
            ...shared,
            mediaId: message.ThumbMediaId,
            kind: 'thumb',
          },
        ]);
        const row = await catalogue.media.get(id);
        assert.equal(row?.msgId, MESSAGE.MsgId);
        assert.deepEqual(row?.sentAt, new Date(1_777_636_800_000));
      }
    });

    it('adds jobs once bullmq and ioredis are installed', { skip: missing.redis }, async (t) => {
      await addPackages('bullmq', 'ioredis');
      const { url, prefix } = (await redisForTest(t))!;
      const queue = await openArchiveQueue({ kind: 'redis', url, prefix }, { log: SILENT });
      t.after(() => queue.close());
      const expected = new Set<string>();
      for (const [index, shape] of shapes.entries()) {
        const message = { ...MESSAGE, MsgType: 'image', MediaId: `job-${index}` };
        await onNode(shape, 'createProducer', ARCHIVE, { account: ACCOUNT, redisUrl: url, prefix }, message);
        expected.add(idOf(ACCOUNT, message.MediaId));
      }
      const arrived = Promise.withResolvers<void>();
      const consumer = await queue.consume(
        async (job: ArchiveJob) => {
          assert.equal(job.generation, undefined);
          expected.delete(job.jobId);
          if (expected.size === 0) arrived.resolve();
          return { action: 'finish', result: 'seen' };
        },
        { concurrency: 1 },
      );
      t.after(() => consumer.close(1_000));
      await withTimeout(arrived.promise, 30_000, 'jobs of all programs');
    });
  });
});
