/** Every command against a complete service: its output, its effect, its exit code. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { parseApiKeys } from '../../src/config/api-keys.ts';
import { createShutdown } from '../../src/runtime/shutdown.ts';
import { PROBLEMS } from '../../src/server/problem-table.ts';
import { openListeners, openServer } from '../../src/server/start.ts';
import { A, B, type Fixture, type Program, receive, SHAPES, untilEnded } from '../contract/shapes.ts';
import { freePort } from '../machine/server.ts';
import { runWma, type Settings, spawnWma } from './wma.ts';

const ADMIN = 'admin-secret-0123456789';
const READ = 'read-secret-0123456789';

describe('wma', { timeout: 240_000 }, () => {
  let ground: Fixture;
  let program: Program;
  let env: Record<string, string>;
  before(async () => {
    ground = await SHAPES[0]!.open();
    program = await ground.start({ env: { PORT: String(await freePort()) } });
    const keys = parseApiKeys(`admin:${ADMIN},read:${READ}`);
    assert.ok('value' in keys);
    const { url } = await openServer(program.parts, { keys: keys.value });
    env = { WMA_URL: url, WMA_API_KEY: ADMIN };
  });
  after(() => ground?.close());

  const run = (args: readonly string[], settings: Pick<Settings, 'env' | 'input'> = {}) =>
    runWma(args, { ...settings, env: { ...env, ...settings.env } });
  async function ok(...args: string[]) {
    const done = await run([...args, '--json']);
    assert.equal(done.code, 0, done.stderr);
    return done.json();
  }
  const archive = async (count: number) => {
    const inputs = Array.from({ length: count }, () => receive(ground.simulator));
    const ids = (await program.parts.accept(inputs)).map(({ id }) => id);
    return await untilEnded(program, ids);
  };
  /** Items that are dead because WeChat returned 40007. */
  const dead = async (count: number) => {
    const inputs = Array.from({ length: count }, (_, n) => ({
      ...receive(ground.simulator),
      mediaId: `unknown-${count}-${n}-${Math.random()}`,
    }));
    const ids = (await program.parts.accept(inputs)).map(({ id }) => id);
    assert.ok((await untilEnded(program, ids)).every(({ status }) => status === 'dead'));
    return ids;
  };

  it('adds a media item, lists it and shows it with its attempts and a link', async () => {
    const input = receive(ground.simulator, { kind: 'image' });
    const options = [
      '--kind',
      'image',
      '--sent-at',
      input.sentAt.toISOString(),
      '--label',
      'shop=7',
      '--label',
      'till=2',
      '--text',
      '红色的连衣裙',
    ];
    const { id } = await ok('add', A, input.mediaId, ...options);
    await untilEnded(program, [id]);
    const { items } = await ok('list', '--status', 'archived', '--label', 'shop=7');
    assert.deepEqual(
      items.map((row: { id: string }) => row.id),
      [id],
    );
    const found = await ok('list', '--query', '连衣裙');
    assert.deepEqual(
      found.items.map((row: { text: string }) => row.text),
      ['红色的连衣裙'],
    );
    assert.deepEqual((await ok('list', '--query', '连衣帽')).items, []);
    assert.equal((await run(['list', '--query', '裙'])).code, 3);
    const row = await ok('show', id);
    assert.deepEqual(
      [row.status, row.labels, row.attemptLog.length],
      ['archived', { shop: '7', till: '2' }, 1],
    );
    assert.equal((await fetch(row.link.url)).status, 200);
    const { stdout } = await run(['show', id]);
    assert.match(stdout, /^status +archived$/m);
    assert.match(stdout, /^link +http/m);
    assert.match((await run(['list'])).stdout, new RegExp(`${id}  ${A}  image  archived`));
  });

  it('shows dead letters with advice, previews a redrive, and asks before it starts one', async () => {
    const ids = await dead(3);
    const { stdout } = await run(['dead-letters']);
    assert.match(stdout, /^3 +wx.* 40007 +/m);
    assert.match(stdout, /^40007: .+/m);
    const preview = await ok('redrive', '--errcode', '40007', '--dry-run');
    assert.equal(preview.matched, 3);
    const unconfirmed = await run(['redrive', '--errcode', '40007']);
    assert.equal(unconfirmed.code, 2);
    assert.match(unconfirmed.stderr, /--yes/);
    assert.equal((await run(['redrive'])).code, 2, 'all dead letters need --all');
    const done = await ok('redrive', '--errcode', '40007', '--yes', '--reason', 'a test');
    assert.deepEqual([done.state, done.done, done.total], ['done', 3, 3]);
    assert.ok((await untilEnded(program, ids)).every(({ status }) => status === 'dead'));
    assert.equal((await run(['redrive', ids[0]!])).code, 0);
    await untilEnded(program, ids);
  });

  it('stops a redrive; Ctrl-C ends the watching without stopping it', async () => {
    const ids = await dead(6);
    const left = await spawnWma(['redrive', '--class', 'permanent_media', '--rate', '1', '--yes'], {
      env,
      onStart: (child) => {
        let text = '';
        child.stderr!.on('data', function listen(chunk: Buffer) {
          text += chunk;
          if (!text.includes('redriven')) return;
          child.stderr!.off('data', listen);
          child.kill('SIGINT');
        });
      },
    });
    assert.equal(left.code, 130, left.stderr);
    const [, id] = /wma redrive --stop (r_\w+)/.exec(left.stderr) ?? [];
    assert.ok(id, left.stderr);
    assert.equal((await program.parts.catalogue.redrives.get(id))?.state, 'running');
    const stopped = await ok('redrive', '--stop', id);
    assert.equal(stopped.state, 'stopped');
    await untilEnded(program, ids);
  });

  it('verifies a sample and everything, and exits with 1 where the bucket has drifted', async () => {
    const [lost] = await archive(4);
    const sample = await ok('verify');
    assert.deepEqual([sample.state, sample.drift, sample.kind], ['done', 0, 'verify']);
    await program.parts.store.delete(lost!.objectKey!, AbortSignal.timeout(10_000));
    const drifted = await run(['verify', '--all']);
    assert.equal(drifted.code, 1);
    assert.match(drifted.stdout, /1 differ/);
    assert.match(drifted.stdout, new RegExp(`^missing +${lost!.id}`, 'm'));
    const json = (await run(['verify', '--all', '--json'])).json();
    assert.deepEqual(
      json.findings.map(({ what, id }: { what: string; id: string }) => [what, id]),
      [['missing', lost!.id]],
    );
    const [damaged] = await archive(1);
    const s3 = await ground.client();
    // The same length and no metadata: the headers do not show the difference.
    await s3.send(
      new PutObjectCommand({
        Bucket: damaged!.bucket!,
        Key: damaged!.objectKey!,
        Body: Buffer.alloc(damaged!.sizeBytes!),
      }),
    );
    const byHead = (await run(['verify', '--orphans', '--json'])).json();
    assert.deepEqual([byHead.counts.wrongDigest, byHead.bytes], [undefined, 0]);
    const byBytes = (await run(['verify', '--orphans', '--all', '--json'])).json();
    assert.equal(byBytes.counts.wrongDigest, 1);
    const ofOther = (await run(['verify', '--orphans', '--all', '--account', B, '--json'])).json();
    assert.deepEqual([ofOther.drift, ofOther.counts.outside > 0], [0, true]);
    await program.parts.database.query('DELETE FROM wma.media WHERE id = $1', [damaged!.id]);
    await program.parts.store.delete(damaged!.objectKey!, AbortSignal.timeout(10_000));
    const [again] = await archive(1);
    await program.parts.database.query('DELETE FROM wma.media WHERE id = ANY ($1)', [[lost!.id, again!.id]]);
    const orphans = await run(['verify', '--orphans', '--remove', '--dry-run', '--json']);
    assert.deepEqual([orphans.code, orphans.json().counts.adoptable], [1, 1]);
    assert.equal(
      (await ok('verify', '--adopt', '--dry-run').catch(() => ({}))).state,
      undefined,
      'drift is 1',
    );
    assert.equal((await ok('verify', '--adopt')).counts.adopted, 1);
    assert.equal((await program.parts.catalogue.media.get(again!.id))?.sha256, again!.sha256);
    assert.equal((await ok('verify', '--all')).drift, 0);
    const slow = await ok('verify', '--all', '--objects-per-second', '1', '--no-watch');
    assert.equal((await ok('verify', '--stop', slow.id)).state, 'stopped');
  });

  it('holds and releases an account, with entries in the audit log', async () => {
    const held = await ok('hold', B, '--reason', 'the till is being counted', '--until', '2099-01-01');
    assert.equal(held.hold.reason, 'the till is being counted');
    assert.match((await run(['accounts'])).stdout, new RegExp(`${B} .*the till is being counted until 2099`));
    assert.equal((await ok('release', B)).hold, null);
    const { items } = await ok('audit-log', '--target', B, '--limit', '2');
    assert.deepEqual(
      items.map(({ action, reason }: { action: string; reason?: string }) => [action, reason]),
      [
        ['release', undefined],
        ['hold', 'the till is being counted'],
      ],
    );
    assert.match((await run(['audit-log', '--target', B])).stdout, /^AT .*\n.* release +/m);

    const hour = await ok('hold', B, '--reason', 'for an hour', '--for', '1h');
    assert.equal(Date.parse(hour.hold.until) - Date.parse(hour.hold.since), 3_600_000);
    await ok('release', B);
    assert.equal((await run(['hold', B, '--reason', 'x', '--for', 'soon'])).code, 3);
    const both = ['--for', '1h', '--until', '2099-01-01'];
    assert.equal((await run(['hold', B, '--reason', 'x', ...both])).code, 2);
    const filtered = await ok('audit-log', '--action', 'hold', '--from', '1h', '--limit', '9');
    const actions = filtered.items.map(({ action, reason }: { action: string; reason: string }) => [
      action,
      reason,
    ]);
    assert.deepEqual(actions.slice(0, 2), [
      ['hold', 'for an hour'],
      ['hold', 'the till is being counted'],
    ]);
    assert.equal((await run(['audit-log', '--actor', 'nobody'])).stdout, 'No entries match.\n');
  });

  it('acknowledges dead letters, which the doctor then does not mention', async () => {
    await dead(2);
    const mentioned = async () => (await run(['doctor'])).stdout.includes('dead letters');
    assert.equal(await mentioned(), true);
    const { items } = await ok('acknowledge', 'dead', '--account', A, '--reason', 'unknown ids');
    assert.deepEqual([items[0].account, items[0].count >= 2], [A, true]);
    assert.equal(await mentioned(), false);
    assert.equal((await run(['acknowledge', 'dead'])).stdout, 'Nothing to acknowledge.\n');
    assert.equal((await run(['acknowledge', 'archived'])).code, 2);
    await dead(1);
    assert.equal(await mentioned(), true, 'what fails later is new');
  });

  it('erases only after a confirmation', async () => {
    const [row] = await archive(1);
    assert.equal((await run(['erase', row!.id, '--account', A])).code, 2);
    const erased = await ok('erase', row!.id, '--account', A, '--reason', 'a request', '--yes');
    assert.deepEqual([erased.state, erased.done], ['done', 1]);
    assert.equal((await program.parts.catalogue.media.get(row!.id))?.status, 'erased');
    const unknown = await run(['erase', `m_${'0'.repeat(32)}`, '--account', A, '--yes', '--json']);
    assert.deepEqual([unknown.code, unknown.json().notFound.length], [1, 1]);
  });

  it('prints what the doctor finds, and exits with 1 where something has to be fixed', async () => {
    const found = await run(['doctor']);
    assert.equal(found.code, 1, 'this service has received no callback');
    assert.match(found.stdout, /^✓ catalogue: /m);
    assert.match(found.stdout, /^! media: \d+ media items failed for good/m);
    assert.match(found.stdout, /^✓ store: \S+ can be written, read, linked to and cleaned up$/m);
    assert.match(
      found.stdout,
      /^✗ account (\S+): Account \1 has never had a callback\.\n {4}Paste its callbackUrl/m,
    );
    assert.ok(![...(await ground.objects(program)).keys()].some((key) => key.includes('.probe')));
  });

  it('makes a link that signs a browser in once', async () => {
    const { stdout, code } = await run(['login']);
    assert.equal(code, 0);
    const url = stdout.trim();
    assert.ok(url.startsWith(`${env.WMA_URL}/login?ticket=`), 'has the address that the command used');
    const first = await fetch(url, { redirect: 'manual' });
    assert.deepEqual([first.status, first.headers.get('location')], [303, '/login']);
    assert.equal((await fetch(url, { redirect: 'manual' })).status, 401);
    assert.equal((await run(['login'], { env: { WMA_API_KEY: READ } })).code, 4);
  });

  it('waits with a login link for a server that is starting', async () => {
    const shutdown = createShutdown(program.parts.log);
    const http = { ...program.parts.config.http, port: 0, callbackPort: undefined };
    const listeners = await openListeners({ http }, shutdown);
    const { promise: isWaiting, resolve } = Promise.withResolvers<void>();
    const running = spawnWma(['login'], {
      env: { ...env, WMA_URL: listeners.main.url },
      onStart: ({ stderr }) =>
        stderr?.on('data', (text) => /server is starting/.test(String(text)) && resolve()),
    });
    await isWaiting;
    await openServer(program.parts, {
      keys: [{ name: 'admin', scopes: ['admin'], secret: ADMIN }],
      listeners,
    });
    const { code, stdout } = await running;
    assert.equal(code, 0);
    assert.ok(stdout.startsWith(`${listeners.main.url}/login?ticket=`));
    await shutdown.run('the test is over');
  });

  it('exports rows as lines of JSON and imports them', async () => {
    const { stdout } = await run(['export', '--status', 'archived']);
    const lines = stdout.trim().split('\n');
    assert.ok(lines.length >= 4);
    const input = { ...receive(ground.simulator), text: '导入的文字' };
    const text = `${lines.join('\n')}\n\n${JSON.stringify(input)}\n${JSON.stringify({ ...input, kind: 'x' })}\n`;
    const imported = await run(['import', '--json'], { input: text });
    assert.deepEqual(imported.json(), { accepted: lines.length + 1, refused: 1 });
    assert.equal(imported.code, 1);
    assert.equal((await ok('list', '--query', '导入')).items[0].text, input.text);
    assert.match((await run(['export'])).stdout, /"text":"导入的文字"/);
    assert.match(imported.stderr, new RegExp(`^Line ${lines.length + 3}: .*kind`, 'm'));
    assert.equal((await run(['import'], { input: 'no json' })).code, 2);
    assert.equal((await run(['import', '/nowhere.ndjson'])).code, 2);
  });

  describe('an error', () => {
    const cases: [string, string[], Record<string, string>, number, RegExp][] = [
      [
        'without a server',
        ['list'],
        { WMA_URL: 'http://127.0.0.1:9' },
        5,
        /^No server responds at .*WMA_URL\.$/m,
      ],
      [
        'without a key',
        ['list'],
        { WMA_API_KEY: '', DATA_DIR: '/nowhere' },
        4,
        /none was found .*\/nowhere\/api-key/,
      ],
      ['with a wrong key', ['list'], { WMA_API_KEY: 'wrong-secret-0123456789' }, 4, /does not know this key/],
      ['with a key whose scope is too small', ['verify'], { WMA_API_KEY: READ }, 4, /does not allow this/],
      ['for an unknown id', ['show', `m_${'0'.repeat(32)}`], {}, 3, /No media item has this id/],
      ['for an invalid field', ['list', '--errcode', 'x'], {}, 3, /errcode/],
      ['for an invalid option', ['list', '--limit', '0'], {}, 2, /whole number above 0/],
      ['for an unknown option', ['list', '--statu', 'dead'], {}, 2, /Did you mean --status/],
      ['for options that exclude each other', ['verify', '--adopt', '--orphans'], {}, 2, /either/],
      [
        'for a sample with --orphans',
        ['verify', '--orphans', '--sample', '9'],
        {},
        2,
        /--sample does not apply to it/,
      ],
      ['for a filter with --adopt', ['verify', '--adopt', '--account', A], {}, 2, /whole bucket/],
      ['for --all with --adopt', ['verify', '--adopt', '--all'], {}, 2, /whole bucket/],
      [
        'for watching and starting at once',
        ['verify', '--watch', 'v_1', '--all'],
        {},
        2,
        /without other options/,
      ],
    ];
    for (const [when, args, changed, code, message] of cases) {
      it(`${when} is a message and exit code ${code}`, async () => {
        const done = await run(args, { env: changed });
        assert.deepEqual([done.code, done.stdout], [code, ''], done.stderr);
        assert.match(done.stderr, message);
        assert.doesNotMatch(done.stderr, /\bat .*\.ts:\d+/, 'no stack');
        assert.ok(!done.stderr.includes(READ) && !done.stderr.includes(ADMIN));
      });
    }

    it('is in Chinese where LANG is Chinese', async () => {
      const done = await run(['show', `m_${'0'.repeat(32)}`], { env: { LANG: 'zh_CN.UTF-8' } });
      assert.ok(done.stderr.includes(PROBLEMS.media_not_found.advice.zh), done.stderr);
      assert.ok(!done.stderr.includes(PROBLEMS.media_not_found.advice.en));
    });
  });

  it('finds server and key of the installation in its folder: .env, API_KEYS, the key file', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'wma-cli-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const bare = { WMA_URL: '', WMA_API_KEY: '' };
    const port = new URL(env.WMA_URL!).port;
    await writeFile(join(folder, '.env'), `PORT=${port}\nAPI_KEYS=read:${READ},boss:admin:${ADMIN}\n`);
    const result = await spawnWma(['release', B], { folder });
    assert.equal(result.code, 0, result.stderr);
    await writeFile(join(folder, '.env'), `PORT=${port}\nDATA_DIR=${folder}\n`);
    await writeFile(join(folder, 'api-key'), `${ADMIN}\n`);
    assert.equal((await spawnWma(['release', B], { folder, env: bare })).code, 0);
  });

  it('names the missing variable when migrate has no database', async () => {
    const done = await spawnWma(['migrate']);
    assert.equal(done.code, 78);
    assert.match(done.stderr, /DATABASE_URL is missing/);
  });
});
