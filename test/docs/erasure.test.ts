/** The examples of docs/erasure.md, run one after the other as they stand; only the address is put in. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { KEYS, openTestServer, reference, type TestServer } from '../server/setup.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../docs/erasure.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code!);
const { status } = spawnSync('curl', ['--version'], { stdio: 'ignore' });

describe('the page on erasing', { skip: status === 0 ? false : 'no curl here' }, () => {
  let server: TestServer;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());

  const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
  async function play(code: string, env: Record<string, string>): Promise<Record<string, unknown>> {
    const text = code.replace('http://127.0.0.1:8080', server.url);
    const { stdout } = await run('sh', ['-c', text], {
      env: { ...process.env, ARCHIVER_KEY: KEYS.admin, ...env },
      timeout: 60_000,
    });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  test('erases one, then a user’s, then tells how far it is', async () => {
    const [one, many, progress, ...others] = examples as [string, string, string];
    assert.deepEqual(others, [], 'every example is run here');
    const id = await server.createArchived(reference(), JPEG);
    const row = await play(one, { MEDIA_ID: id });
    assert.deepEqual([row.id, row.status, typeof row.erasedAt], [id, 'erased', 'string']);
    const openId = /"openId": "([^"]+)"/.exec(many)![1]!;
    const his = await server.createArchived(reference({ openId }), JPEG);
    const erasure = await play(many, {});
    assert.deepEqual([erasure.state, erasure.total, erasure.done], ['done', 1, 1]);
    assert.equal((await server.context.catalogue.media.get(his))?.status, 'erased');
    const later = await play(progress, { ERASURE_ID: String(erasure.id) });
    assert.deepEqual([later.id, later.state], [erasure.id, 'done']);
  });
});
