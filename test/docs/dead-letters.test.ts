/** Every command of docs/dead-letters.md, run as it stands; only the address is put in. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { redriveBody } from '../../src/server/routes/dead-letters/redrive-body.ts';
import { KEYS, openTestServer, PLAIN, reference } from '../server/setup.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../docs/dead-letters.md', import.meta.url), 'utf8');
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code!);
const noCurl = spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0 ? false : 'no curl here';

test('the commands do what the page says', { skip: noCurl, timeout: 120_000 }, async (t) => {
  const server = await openTestServer();
  t.after(() => server.close());
  const media = await server.createDead(reference());
  const why = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 };
  // By way of pending: dead letters are counted when a status changes.
  const set = 'UPDATE wma.media SET failure = $2, status = $3, stage = $4 WHERE id = $1';
  await server.context.database.query(set, [media, why, 'pending', 0]);
  await server.context.database.query(set, [media, why, 'dead', null]);
  const variables: Record<string, string> = { ARCHIVER_KEY: KEYS.admin, MEDIA: media };
  const say = async (word: string) => {
    const found = commands.filter((command) => command.includes(word));
    assert.equal(found.length, 1, word);
    const script = found[0]!.replace('http://127.0.0.1:8080', server.url);
    const { stdout } = await run('sh', ['-c', script], {
      env: { ...process.env, ...variables },
      timeout: 30_000,
    });
    return JSON.parse(stdout);
  };

  const { groups } = await say('/v1/dead-letters');
  for (const field of Object.keys(groups[0])) assert.ok(page.includes(field), field);
  assert.deepEqual([groups[0].errcode, groups[0].count], [40007, 1]);
  assert.equal((await say('dryRun')).matched, 1);
  const { id, matched } = await say('"rate": 20');
  assert.equal(matched, 1);
  variables.REDRIVE = id;
  const shown = await say('-fsS http://127.0.0.1:8080/v1/redrives/$REDRIVE');
  assert.deepEqual(
    [shown.state, shown.done, shown.total, shown.reason],
    ['running', 0, 1, 'the accounts were mixed up'],
  );
  for (const field of Object.keys(shown)) assert.ok(page.includes(field), field);
  assert.equal((await say('-X DELETE')).state, 'stopped');
  const { items } = await say('/v1/audit-log');
  assert.deepEqual(
    items.map(({ action }: { action: string }) => action),
    ['redrive.stop', 'redrive'],
  );
  const row = await say('/retry');
  assert.deepEqual([row.status, row.account, row.redrives], ['pending', PLAIN.account, 1]);
  assert.equal(row.lastRedrive.reason, 'sent by a customer in a hurry');
  assert.equal(commands.length, 7);
});

test('the page names every field of a filter and no other', () => {
  const fields = Object.keys(redriveBody.shape.filter.unwrap().shape).sort();
  const [table = ''] = /\| field \| means \|\n(.*?)\n\n/s.exec(page) ?? [];
  const named = [...table.matchAll(/^\| (`.*?`(?:, `.*?`)*) \|/gm)].flatMap(
    ([, cell]) => cell!.match(/\w+/g) ?? [],
  );
  assert.deepEqual(named.sort(), fields);
});
