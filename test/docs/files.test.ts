/** The commands of docs/files.md, run as they stand, and its numbers; only the address and the folder are put in. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EXPORT_LIMITS } from '../../src/pipeline/export/exporter.ts';
import { folderForTest } from '../machine/cleanup.ts';
import { openZipFolder } from '../pipeline/export/zip.ts';
import { KEYS, openTestServer, reference } from '../server/setup.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../docs/files.md', import.meta.url), 'utf8');
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code!);
const noCurl = spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0 ? false : 'no curl here';

test('the commands do what the page says', { skip: noCurl, timeout: 120_000 }, async (t) => {
  const server = await openTestServer();
  t.after(() => server.close());
  const zips = await openZipFolder();
  t.after(() => zips.remove());
  const folder = await folderForTest(t);
  const content = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
  const id = await server.createArchived(reference({ sentAt: new Date('2026-05-02T00:00:00Z') }), content);
  const [link, archive, ...others] = commands.map((code) =>
    code.replace('http://127.0.0.1:8080', server.url),
  );
  assert.deepEqual(others, [], 'every command is run here');
  const say = async (code: string, key: string) => {
    const env = { ...process.env, ARCHIVER_KEY: key, MEDIA: id };
    return (await run('sh', ['-c', code], { cwd: folder, timeout: 60_000, env })).stdout;
  };
  const { url, expiresAt } = JSON.parse(await say(link!, KEYS.write));
  assert.equal((await fetch(url)).status, 200);
  assert.ok(Date.parse(expiresAt) - Date.now() > 85_000_000);
  await say(archive!, KEYS.read);
  const file = join(folder, 'files.zip');
  assert.equal(await zips.isValid(file), true);
  assert.equal((await zips.entries(file)).length, 2);
});

test('the limits are those of the program', () => {
  const { items, bytes, atOnce, stallMs, totalMs } = EXPORT_LIMITS;
  assert.ok(page.includes(`${items.toLocaleString('en-US')} items and ${bytes / 1024 ** 3} GiB`));
  assert.ok(page.includes(`reads nothing for ${stallMs / 1000} seconds`));
  assert.deepEqual([atOnce, totalMs], [3, 6 * 3_600_000], 'three for a server process, six hours');
});
