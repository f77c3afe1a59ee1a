/** The examples of docs/events.md, run as they stand; only the address is put in. Its tables are those of the program. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { EVENT_TYPES } from '../../src/event.ts';
import { eventSchema } from '../../src/server/routes/events/event-schema.ts';
import { eventsQuery } from '../../src/server/routes/events/events-query.ts';
import { folderForTest } from '../machine/cleanup.ts';
import { eventually } from '../queue/handled.ts';
import { KEYS, openTestServer, reference, type TestServer } from '../server/setup.ts';

const WMA = new URL('../../bin/wma.js', import.meta.url).pathname;
/** The feed, and the part about webhooks, whose receivers webhooks.test.ts tries. */
const [page, aboutWebhooks] = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8').split(
  /^## Webhooks$/m,
) as [string, string];
const examplesOf = (language: string, text = page) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code!);
const { status } = spawnSync('curl', ['--version'], { stdio: 'ignore' });

test('the page names every type of event and no other', () => {
  const [table = ''] = /^\| type \|.*?\n\n/ms.exec(page) ?? [];
  const named = [...table.matchAll(/^\| (`.*?`(?:, `.*?`)*) \|/gm)].flatMap(
    ([, cell]) => cell!.match(/[\w.]+/g) ?? [],
  );
  assert.deepEqual(named, [...EVENT_TYPES]);
});

test('the page names every parameter and no other', () => {
  const [table = ''] = /^\| parameter \|.*?\n\n/ms.exec(page) ?? [];
  const named = [...table.matchAll(/^\| (`.*?`(?:, `.*?`)*) \|/gm)].flatMap(
    ([, cell]) => cell!.match(/\w+/g) ?? [],
  );
  assert.deepEqual(named.sort(), Object.keys(eventsQuery.shape).sort());
});

test('the event on the page is one', () => {
  const [event, ...others] = examplesOf('json');
  assert.deepEqual(others, []);
  eventSchema.parse(JSON.parse(event!));
});

describe('the examples', { skip: status === 0 ? false : 'no curl here', timeout: 120_000 }, () => {
  let server: TestServer;
  let start: string;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());
  beforeEach(async () => {
    const { nextCursor } = await server.json<{ nextCursor: string }>('/v1/events?after=now', { key: 'read' });
    start = nextCursor;
  });
  const [poll, stream, commands, ...others] = examplesOf('sh') as [string, string, string];
  let serial = 0;
  const dead = () => server.createDead(reference({ mediaId: `page-${serial++}` }));

  /** Runs an example until its output satisfies a condition, and ends it. Resolves with the output. */
  async function play(
    code: string,
    folder: string,
    until: (output: string) => boolean | Promise<boolean>,
  ): Promise<string> {
    const child: ChildProcess = spawn('sh', ['-c', code.replaceAll('http://127.0.0.1:8080', server.url)], {
      cwd: folder,
      env: {
        ...process.env,
        ARCHIVER_KEY: KEYS.read,
        WMA_URL: server.url,
        WMA_API_KEY: KEYS.read,
        CURSOR: start,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    try {
      await eventually('the output', async () => await until(output));
    } finally {
      // With what it started.
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // The command that lists has ended already.
      }
    }
    return output;
  }

  test('are all run here', () => assert.deepEqual(others, []));

  test('the commands of webhooks create an endpoint, show its deliveries and repeat them', async () => {
    const env = { ...process.env, WMA_URL: server.url, WMA_API_KEY: KEYS.admin };
    const run = async (line: string, id?: string) => {
      const words = line
        .split(' ')
        .slice(1)
        .map((word) => (word.startsWith('whe_') && id ? id : word));
      const child = spawn(process.execPath, [WMA, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          output += chunk;
        });
      const [code] = await once(child, 'close');
      return { code, output };
    };
    const [create, repeat, ...more] = examplesOf('sh', aboutWebhooks) as [string, string];
    assert.deepEqual(more, []);
    const [add, test] = create.trim().split('\n') as [string, string];
    const created = await run(add);
    assert.equal(created.code, 0, created.output);
    assert.match(created.output, /whsec_/);
    const id = /whe_[0-9a-f]{24}/.exec(created.output)![0];
    // Nothing answers there.
    const tested = await run(test, id);
    assert.notEqual(tested.code, 0, tested.output);
    assert.doesNotMatch(tested.output, /Usage|error: /);
    const [list, resend, replay] = repeat.trim().split('\n') as [string, string, string];
    assert.equal((await run(list, id)).code, 0);
    const unknown = await run(resend, id);
    assert.deepEqual(
      [unknown.code, /no delivery with this id/.test(unknown.output)],
      [3, true],
      unknown.output,
    );
    assert.equal((await run(replay, id)).code, 0);
  });

  test('the long poll gets events, and goes on with its cursor after it was killed', async (t) => {
    const folder = await folderForTest(t);
    const stored = (id: string) => async (output: string) =>
      output.includes(id) && (await readFile(join(folder, 'events.cursor'), 'utf8').catch(() => '')) !== '';
    const first = await dead();
    await play(poll, folder, stored(first));
    const second = await dead();
    const output = await play(poll, folder, stored(second));
    assert.ok(!output.includes(first), 'the first is not read again');
  });

  test('the stream sends what comes, in the form that the page shows', async (t) => {
    const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
    let id: string | undefined;
    const output = await play(stream, await folderForTest(t), async (text) => {
      // The first line comes when the stream is open.
      if (text.startsWith('retry: '))
        id ??= await server.createArchived(reference({ mediaId: 'streamed' }), JPEG);
      return id !== undefined && text.includes(id);
    });
    const [shown] = examplesOf('text');
    const names = (text: string) => [...text.matchAll(/^(\w+): /gm)].map(([, name]) => name);
    const message = output.split('\n\n').find((one) => one.includes(id!))!;
    assert.deepEqual(names(message), names(shown!));
    assert.match(message, /^event: media\.archived$/m);
  });

  test('the commands follow the feed, and list it from a cursor', async (t) => {
    const folder = await folderForTest(t);
    const lines = commands.trim().split('\n');
    assert.equal(lines.length, 2);
    const [follow, list] = lines.map((line) => line.replace('npx wma', `${process.execPath} ${WMA}`));
    const ids: string[] = [];
    await play(follow!, folder, async (text) => {
      // It says nothing when it begins to follow, so events happen until it prints one.
      ids.push(await dead());
      return ids.some((id) => text.includes(id));
    });
    await eventually('all in the feed', async () => {
      const path = `/v1/events?after=${start}`;
      return (await server.json<{ items: unknown[] }>(path, { key: 'read' })).items.length === ids.length;
    });
    const text = await play(list!, folder, (output) => output.split('\n').length > ids.length);
    assert.deepEqual(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).data.id),
      ids,
    );
  });
});
