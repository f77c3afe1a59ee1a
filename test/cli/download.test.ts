/** wma link and wma download, and the filters of wma redrive and wma erase. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openZipFolder, type ZipFolder } from '../pipeline/export/zip.ts';
import { KEYS, openTestServer, PLAIN, reference, type TestServer } from '../server/setup.ts';
import { runWma } from './wma.ts';

const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };

describe('wma link and wma download', () => {
  let s: TestServer;
  let zips: ZipFolder;
  let folder: string;
  let id: string;
  before(async () => {
    [s, zips, folder] = await Promise.all([
      openTestServer(),
      openZipFolder(),
      mkdtemp(join(tmpdir(), 'wma-download-')),
    ]);
    id = await s.createArchived(reference({ openId: 'o-of-one', labels: { till: '7' } }), JPEG);
    await s.createArchived(reference({ openId: 'o-of-another' }), JPEG);
  });
  after(async () => {
    await s.close();
    await zips.remove();
    await rm(folder, { recursive: true });
  });
  const run = (args: readonly string[], key: keyof typeof KEYS = 'admin', url = s.url) =>
    runWma(args, { env: { WMA_URL: url, WMA_API_KEY: KEYS[key] } });

  it('prints a link for the time that was asked for', async () => {
    const done = await run(['link', id, '--ttl', '1d'], 'write');
    assert.equal(done.code, 0, done.stderr);
    const url = new URL(done.stdout.trim());
    assert.ok(Number(url.searchParams.get('X-Amz-Expires')) >= 85_000);
    assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), JPEG.body);
    assert.match(done.stderr, /Valid until 20/);
    const json = (await run(['link', id, '--json'], 'read')).json();
    assert.deepEqual(Object.keys(json).toSorted(), ['expiresAt', 'url']);
    const refused = await run(['link', id, '--ttl', '7d'], 'read');
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /requires the scope write/);
    assert.equal((await run(['link', id, '--ttl', 'long'], 'write')).code, 3);
  });

  it('writes a ZIP of what matches, and never over another file', async () => {
    const out = join(folder, 'files.zip');
    const counted = await run(['download', '--open-id', 'o-of-one', '--dry-run', '--json'], 'read');
    assert.equal(counted.json().matched, 1);
    const done = await run(['download', '--open-id', 'o-of-one', '--out', out, '--json'], 'read');
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.json().file, out);
    assert.equal(await zips.isValid(out), true);
    assert.equal((await zips.entries(out)).length, 2);
    const again = await run(['download', '--all', '--out', out], 'read');
    assert.equal(again.code, 2);
    assert.match(again.stderr, /exists already/);
    assert.equal((await run(['download', '--out', join(folder, 'x.zip')])).code, 2);
    const byLabel = join(folder, 'label.zip');
    assert.equal((await run(['download', id, '--label', 'till=7', '--out', byLabel])).code, 0);
    assert.equal((await zips.entries(byLabel)).length, 2);
  });

  it('keeps no file when the server refuses or breaks off', async () => {
    const before = await readdir(folder);
    const out = join(folder, 'broken.zip');
    const refused = await run(['download', '--account', 'shop', '--out', out], 'schoolRead');
    assert.equal(refused.code, 4);
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/zip' });
      response.write(Buffer.from('PK\x03\x04 and so on'), () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const broken = await run(['download', '--all', '--out', out], 'read', `http://127.0.0.1:${port}`);
      assert.equal(broken.code, 5);
      assert.match(broken.stderr, /broke off/);
    } finally {
      server.close();
    }
    assert.deepEqual(await readdir(folder), before);
    await writeFile(join(folder, 'a-file'), 'x');
    const nowhere = await run(['download', '--all', '--out', join(folder, 'a-file', 'x.zip')]);
    assert.equal(nowhere.code, 2);
  });

  it('previews an erasure, and redrives by person and label', async () => {
    const preview = await run(['erase', '--account', 'shop', '--open-id', 'o-of-one', '--dry-run']);
    assert.equal(preview.code, 0, preview.stderr);
    assert.match(preview.stdout, new RegExp(`1 +${PLAIN.account} +image +archived`));
    assert.equal((await s.context.catalogue.media.get(id))?.status, 'archived');
    const dead = await s.createDead(reference({ openId: 'o-of-a-dead', labels: { till: '8' } }));
    const filters = [
      ['--open-id', 'o-of-a-dead'],
      ['--label', 'till=8'],
    ];
    for (const filter of filters) {
      const counted = await run(['redrive', ...filter, '--dry-run', '--json']);
      assert.equal(counted.json().matched, 1, filter.join(' '));
    }
    const done = await run(['redrive', '--open-id', 'o-of-a-dead', '--yes', '--no-watch']);
    assert.equal(done.code, 0, done.stderr);
    assert.equal((await s.context.catalogue.media.get(dead))?.status, 'dead', 'the sweeper does the work');
  });
});
