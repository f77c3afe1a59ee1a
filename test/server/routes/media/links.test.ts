/** Links of a chosen life, and the record of who opened which file. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../../../src/media.ts';
import { linkSchema } from '../../../../src/server/routes/media/links.ts';
import { createOpenRecorder } from '../../../../src/server/routes/media/open-recorder.ts';
import { eventually } from '../../../queue/handled.ts';
import { type KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };

describe('a link of a chosen life', () => {
  let s: TestServer;
  let id: string;
  before(async () => {
    s = await openTestServer();
    id = await s.createArchived(reference(), JPEG);
  });
  after(() => s.close());

  const ask = (ttl: unknown, key: keyof typeof KEYS = 'write', of = id) =>
    s.call(`/v1/media/${of}/links`, { json: { ttl }, key });
  const entriesOf = (target: string) => s.context.catalogue.auditLog.list({ target }, 50);

  it('opens the file without a key for the whole time, with its type, shown inline', async () => {
    for (const [ttl, seconds] of [
      ['15m', 900],
      ['1h', 3600],
      ['1d', 86_400],
      ['7d', 604_800],
    ] as const) {
      const response = await ask(ttl);
      assert.equal(response.status, 201);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      const link = linkSchema.parse(await response.json()) as { url: string; expiresAt: string };
      assert.equal(new URL(link.url).searchParams.get('X-Amz-Expires'), String(seconds));
      const leftMs = Date.parse(link.expiresAt) - Date.now();
      assert.ok(leftMs > seconds * 1000 - 60_000 && leftMs <= seconds * 1000, `${ttl}: ${leftMs}`);
      const file = await fetch(link.url);
      assert.deepEqual(Buffer.from(await file.arrayBuffer()), JPEG.body);
      assert.equal(file.headers.get('content-type'), 'image/jpeg');
      assert.match(file.headers.get('content-disposition') ?? '', /^inline/);
    }
  });

  it('is recorded with its time and never with its address', async () => {
    const one = await s.createArchived(reference(), JPEG);
    const response = await ask('24h', 'write', one);
    const { url } = (await response.json()) as { url: string };
    const [entry, ...more] = await entriesOf(one);
    assert.deepEqual([entry?.action, entry?.actor, entry?.reason, more.length], ['link', 'key-2', '1d', 0]);
    const signature = new URL(url).searchParams.get('X-Amz-Signature') as string;
    assert.ok(s.log.every((line) => !line.includes(signature)));
  });

  it('lasts up to LINK_TTL with a read key, and longer only with a write key', async () => {
    assert.equal((await ask('1h', 'read')).status, 201);
    const before = (await entriesOf(id)).length;
    const refused = await ask('61m', 'read');
    const problem = (await refused.json()) as { code: string; detail: string };
    assert.deepEqual([refused.status, problem.code], [403, 'forbidden']);
    assert.match(problem.detail, /longer than 1h .* requires the scope write/);
    assert.equal((await entriesOf(id)).length, before, 'a refused link leaves no entry');
    assert.equal((await s.call(`/v1/media/${id}/links`, { json: { ttl: '1h' } })).status, 401);
  });

  it('is refused for a time that no storage signs, or that is none', async () => {
    for (const ttl of [
      '8d',
      '59s',
      '0',
      '-1d',
      '1w',
      '',
      'NaN',
      '1e9d',
      ' '.repeat(30),
      86_400,
      null,
      ['1d'],
    ]) {
      const response = await ask(ttl);
      const problem = (await response.json()) as { errors: { field: string }[] };
      assert.equal(response.status, 400, String(ttl));
      assert.equal(problem.errors[0]?.field, 'ttl');
    }
    const more = await s.call(`/v1/media/${id}/links`, { json: { ttl: '1d', key: 'x' }, key: 'write' });
    assert.equal(more.status, 400);
  });

  it('is not made for items without a file, and the response says why', async () => {
    const pending = reference();
    await s.context.accept([pending]);
    const wait = await ask('1d', 'write', idOf(PLAIN.account, pending.mediaId));
    assert.deepEqual(
      [wait.status, ((await wait.json()) as { code: string }).code, wait.headers.get('retry-after')],
      [409, 'not_archived', '5'],
    );
    const dead = await ask('1d', 'write', await s.createDead(reference()));
    const problem = (await dead.json()) as { code: string; failure: { code: string } };
    assert.deepEqual([dead.status, problem.code, problem.failure.code], [410, 'media_gone', 'too_large']);
    const erased = await s.createArchived(reference(), JPEG);
    await s.call(`/v1/media/${erased}`, { method: 'DELETE', key: 'admin' });
    assert.equal((await ask('1d', 'write', erased)).status, 410);
    assert.equal((await ask('1d', 'school')).status, 404, 'of another account');
  });
});

describe('the record of opened files', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const opensOf = async (target: string) =>
    (await s.context.catalogue.auditLog.list({ target }, 50)).filter(({ action }) => action === 'open');

  it('has one entry for each key, item and hour, whether by link, through the server or in ranges', async () => {
    const id = await s.createArchived(reference(), JPEG);
    const path = `/v1/media/${id}/content`;
    for (let request = 0; request < 5; request++) {
      await (await s.call(path, { key: 'read' })).arrayBuffer();
      const range = { range: `bytes=${request}-${request}` };
      const part = await s.call(`${path}?proxy=true`, { key: 'read', headers: range });
      assert.equal(part.status, 206);
      await part.arrayBuffer();
    }
    await s.call(path, { key: 'write', method: 'HEAD' });
    await eventually('two entries', async () => (await opensOf(id)).length === 2);
    const opens = await opensOf(id);
    assert.deepEqual(opens.map(({ actor }) => actor).toSorted(), ['key-1', 'key-2']);
    for (const { at } of opens) assert.equal(at.getTime() % 3_600_000, 0);
  });

  it('has no entry for lists, links in rows, missing files and refused requests', async () => {
    const id = await s.createArchived(reference(), JPEG);
    const dead = await s.createDead(reference());
    const foreign = await s.createArchived(reference({ account: SAFE.account }), JPEG);
    await s.call(`/v1/media/${id}?include=link`, { key: 'read' });
    await s.call('/v1/media?include=link', { key: 'read' });
    await s.call(`/v1/media/${id}/content?proxy=true`, { key: 'read', method: 'HEAD' });
    await s.call(`/v1/media/${id}/content`, {});
    await s.call(`/v1/media/${id}/content`, { key: 'school' });
    await s.call(`/v1/media/${dead}/content`, { key: 'read' });
    // Entries are written in order: when this one is there, the others would be too.
    await s.call(`/v1/media/${foreign}/content`, { key: 'school' });
    await eventually('an entry', async () => (await opensOf(foreign)).length === 1);
    assert.deepEqual([await opensOf(id), await opensOf(dead)], [[], []]);
  });

  it('is kept while the catalogue is unavailable, within a bound, and counts what it leaves out', async () => {
    const { clock, log } = s.context;
    let isDown = true;
    const written: string[] = [];
    const errors: number[] = [];
    const recorder = createOpenRecorder(
      {
        clock,
        log,
        metrics: { backgroundErrors: { inc: (_labels, value = 1) => void errors.push(value) } },
        catalogue: {
          auditLog: {
            addOpens: async (entries) => {
              if (isDown) throw new Error('the catalogue is down');
              written.push(...entries.map(({ target }) => target));
            },
          },
        },
      },
      { flushMs: 1, retryMs: 1, waitingLimit: 3 },
    );
    for (const target of ['a', 'b', 'a', 'c', 'd', 'e'])
      recorder.record('key', { id: target, account: PLAIN.account });
    await eventually('two were left out', async () => errors.includes(2));
    isDown = false;
    await eventually('three were written', async () => written.length === 3);
    recorder.record('key', { id: 'a', account: PLAIN.account });
    recorder.record('key', { id: 'f', account: PLAIN.account });
    await recorder.close();
    assert.deepEqual(written, ['a', 'b', 'c', 'f'], 'written at the end, and known entries not again');
  });
});
