/** wma events: lists the feed, follows it, and says how to continue. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { encodeFeedCursor } from '../../src/catalogue/events/cursor.ts';
import { eventually } from '../queue/handled.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../server/setup.ts';
import { startHttpServer } from '../wechat/servers.ts';
import { runWma, spawnWma } from './wma.ts';

interface Line {
  id: string;
  type: string;
  account: string;
  sequence: number;
  cursor: string;
  data: { id: string };
}

describe('wma events', { timeout: 120_000 }, () => {
  let s: TestServer;
  let start: string;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());
  beforeEach(async () => {
    const page = await s.json<{ nextCursor: string }>('/v1/events?after=now', { key: 'read' });
    start = page.nextCursor;
  });

  const envOf = (key: keyof typeof KEYS = 'read', url = s.url) => ({ WMA_URL: url, WMA_API_KEY: KEYS[key] });
  const run = (args: readonly string[], env = envOf()) => runWma(['events', ...args], { env });
  const linesOf = (stdout: string): Line[] =>
    stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  async function list(args: readonly string[], env = envOf()): Promise<Line[]> {
    const done = await run([...args, '--json'], env);
    assert.equal(done.code, 0, done.stderr);
    return linesOf(done.stdout);
  }
  let serial = 0;
  const dead = (account = PLAIN.account) => s.createDead(reference({ account, mediaId: `wma-${serial++}` }));
  const hold = async (method: 'PUT' | 'DELETE') =>
    await s.call(`/v1/accounts/${SAFE.account}/hold`, {
      method,
      key: 'admin',
      json: { reason: 'a\u0007test' },
    });
  /** Waits until so many events have followed the start of the test. */
  const untilInFeed = (count: number) =>
    eventually(`${count} events`, async () => (await list(['--after', start])).length === count);

  it('prints one line for each event, oldest first, and how to continue', async () => {
    const id = await dead();
    await hold('PUT');
    await untilInFeed(2);
    const done = await run(['--after', start]);
    const lines = done.stdout.trim().split('\n');
    assert.match(lines[0]!, new RegExp(`^\\S+Z {2}media\\.dead {8}${PLAIN.account}  ${id}  dead  \\w+$`));
    assert.match(lines[1]!, new RegExp(`^\\S+Z {2}account\\.held {6}${SAFE.account}  a test$`));
    assert.equal(lines.length, 2);
    await hold('DELETE');
    await untilInFeed(3);
    const [, command] = /^Continue: wma (events --after \S+)$/m.exec(done.stderr) ?? [];
    const rest = await runWma([...command!.split(' '), '--json'], { env: envOf() });
    assert.deepEqual(
      linesOf(rest.stdout).map(({ type }) => type),
      ['account.released'],
    );
  });

  it('continues after the cursor of any line without a gap, also from the beginning of the feed', async () => {
    for (let index = 0; index < 4; index++) await dead();
    await untilInFeed(4);
    for (const args of [[], ['--after', start]]) {
      const all = await list(args);
      for (const [index, { cursor, sequence }] of all.entries()) {
        const rest = (await list(['--after', cursor])).map((line) => line.sequence);
        for (const later of all.slice(index + 1))
          assert.ok(rest.includes(later.sequence), `after ${sequence}`);
      }
      assert.deepEqual(await list(['--after', all.at(-1)!.cursor]), []);
    }
    const one = await list(['--limit', '1']);
    const two = await list(['--limit', '1', '--after', one[0]!.cursor]);
    assert.deepEqual([one[0]?.sequence, two.map(({ sequence }) => sequence)], [1, [2]]);
  });

  it('filters by type and account, and a bound key lists its own', async () => {
    const [mine] = [await dead(SAFE.account), await dead()];
    await hold('PUT');
    await hold('DELETE');
    await untilInFeed(4);
    const typesOf = async (...args: string[]) =>
      (await list(['--after', start, ...args])).map(({ type }) => type);
    assert.deepEqual(await typesOf('--type', 'account.held', '--type', 'account.released'), [
      'account.held',
      'account.released',
    ]);
    assert.deepEqual(await typesOf('--account', PLAIN.account), ['media.dead']);
    const bound = await list(['--after', start, '--type', 'media.dead'], envOf('schoolRead'));
    assert.deepEqual(
      bound.map(({ data }) => data.id),
      [mine],
    );
    const wrong = await run(['--type', 'media.stored']);
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /type/);
    assert.equal((await run(['--limit', '0'])).code, 2);
  });

  it('with --after now lists nothing, and gives the cursor of what comes', async () => {
    await dead();
    await untilInFeed(1);
    const done = await run(['--after', 'now']);
    assert.deepEqual([done.code, done.stdout], [0, '']);
    assert.match(done.stderr, /^Continue: wma events --after \S+$/m);
  });

  it('with --follow prints each event when it happens, until Ctrl-C', async () => {
    const first = await dead();
    let second: Promise<string> | undefined;
    const done = await spawnWma(['events', '--follow', '--after', start, '--json'], {
      env: envOf(),
      onStart: (child) => {
        let text = '';
        child.stdout!.on('data', (chunk: Buffer) => {
          text += chunk;
          if (text.includes(first)) second ??= dead();
          void second?.then((id) => text.includes(id) && child.kill('SIGINT'));
        });
      },
    });
    assert.equal(done.code, 130, done.stderr);
    const lines = linesOf(done.stdout);
    assert.deepEqual(
      lines.map(({ data }) => data.id),
      [first, await second],
    );
    assert.equal(done.stderr, `Continue: wma events --follow --after ${lines.at(-1)!.cursor}\n`);
  });

  it('with --follow waits for a server that restarts, and misses nothing', async (t) => {
    let isUp = true;
    let refused = 0;
    const front = await startHttpServer(t, async (request, response) => {
      const { authorization } = request.headers;
      const answer =
        isUp && (await fetch(s.url + request.url, { headers: { authorization: authorization! } }));
      // The others waited when the server stopped, or came while it was away.
      if (isUp && answer) response.writeHead(answer.status).end(await answer.text());
      else if (++refused % 2) response.destroy();
      else response.writeHead(503).end('<html>Service Unavailable</html>');
    });
    const ids = [await dead()];
    await untilInFeed(1);
    const following = run(['--follow', '--after', start, '--limit', '3', '--json'], envOf('read', front.url));
    await eventually('it waits', async () => front.requests.length === 2);
    isUp = false;
    ids.push(await dead(), await dead());
    await eventually('it tried twice', async () => refused >= 2);
    isUp = true;
    const done = await following;
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stderr, 'The server does not respond; waiting for it.\n');
    assert.deepEqual(
      linesOf(done.stdout).map(({ data }) => data.id),
      ids,
    );
  });

  it('a cursor that is too old is an error with the oldest one', async () => {
    await dead();
    await untilInFeed(1);
    await s.context.database.query('UPDATE wma.event_head SET expired = 2');
    const old = encodeFeedCursor({ position: 1, atMs: 0 });
    for (const more of [[], ['--follow', '--limit', '1']]) {
      const done = await run([...more, '--after', old]);
      assert.deepEqual([done.code, done.stdout], [3, '']);
      assert.match(done.stderr, /EVENT_RETENTION.*updatedFrom/);
      const [, oldest] = /^Continue: wma events.* --after (\S+)$/m.exec(done.stderr) ?? [];
      assert.equal((await list(['--after', oldest!, '--limit', '1']))[0]?.sequence, 3);
    }
    await s.context.database.query('UPDATE wma.event_head SET expired = 0');
  });

  it('an unreachable server is an error at once, also with --follow', async () => {
    const done = await run(['--follow'], envOf('read', 'http://127.0.0.1:9'));
    assert.equal(done.code, 5);
    assert.match(done.stderr, /^No server responds at/);
  });
});
