/** The client against the real server. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { idOf } from '../../../src/media.ts';
import { type Client, createClient } from '../../../src/producer/client/client.ts';
import { ClientError } from '../../../src/producer/client/client-error.ts';
import { archive, photoOf, picture } from '../../server/routes/media/preview-items.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../server/setup.ts';

const photo = await photoOf();

describe('the client', () => {
  let server: TestServer;
  const clientOf = (key: keyof typeof KEYS, language: 'en' | 'zh' = 'en'): Client =>
    createClient({ url: server.url, key: KEYS[key], language });
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());

  test('adds a reference, and gets its row', async () => {
    const client = clientOf('write');
    const sentAt = new Date(Date.now() - 60_000);
    const one = {
      account: PLAIN.account,
      mediaId: 'one',
      kind: 'voice',
      sentAt,
      labels: { shop: '7' },
    } as const;
    const added = await client.add(one);
    assert.equal(added.id, idOf(PLAIN.account, 'one'));
    assert.equal(added.status, 'pending');
    const media = await client.get(added.id, { include: ['attemptLog'] });
    assert.equal(media.sentAt, sentAt.toISOString());
    assert.deepEqual([media.labels, media.attemptLog], [{ shop: '7' }, []]);
    // A name instead of the appId leads to the same item.
    assert.equal((await client.add({ ...one, account: 'shop' })).id, added.id);
  });

  test('adds more references than a request holds; each is accepted or refused, in order', async () => {
    const references = Array.from({ length: 501 }, (_, index) => ({
      account: index === 250 ? 'nobody' : PLAIN.account,
      mediaId: `many-${index}`,
      kind: 'image' as const,
    }));
    const results = await clientOf('write').add(references);
    assert.deepEqual(
      results.map(({ index }) => index),
      references.map((_, index) => index),
    );
    const refused = results.filter(({ problem }) => problem);
    assert.deepEqual(
      refused.map(({ index, problem }) => [index, problem?.code]),
      [[250, 'unknown_account']],
    );
    assert.equal(results[500]?.id, idOf(PLAIN.account, 'many-500'));
  });

  test('lists all pages, with every kind of filter', async () => {
    const client = clientOf('read');
    const ids = new Set<string>();
    const filter = { account: [PLAIN.account], kind: 'image', limit: 200, sentFrom: new Date(0) } as const;
    for await (const { id, kind } of client.list(filter)) {
      assert.equal(kind, 'image');
      ids.add(id);
    }
    assert.ok(ids.size >= 500, `${ids.size}`);
    const pages: (string | null)[] = [];
    for await (const { items, nextCursor } of client.list({ ...filter, include: ['count'] }).pages()) {
      assert.ok(items.length <= 200);
      pages.push(nextCursor);
      if (pages.length === 2) break;
    }
    const rest: string[] = [];
    for await (const { id } of client.list({ ...filter, cursor: pages[1]! })) rest.push(id);
    assert.equal(rest.length, ids.size - 400);
    const labelled: string[] = [];
    for await (const { id } of client.list({ labels: { shop: '7' }, status: ['pending'] })) labelled.push(id);
    assert.deepEqual(labelled, [idOf(PLAIN.account, 'one')]);
  });

  test('gets the file, its preview, and a link that opens without a key', async () => {
    const id = await archive(server, picture(photo));
    const client = clientOf('read');
    const content = await client.content(id);
    assert.deepEqual([content.contentType, content.sizeBytes], ['image/jpeg', photo.length]);
    const digest = createHash('sha256');
    for await (const chunk of content.body) digest.update(chunk);
    assert.equal(digest.digest('hex'), (await client.get(id)).sha256);
    const preview = await client.preview(id);
    assert.equal(preview.contentType, 'image/webp');
    assert.ok((await preview.bytes()).byteLength < photo.length);
    const link = await client.link(id, { ttl: '15m' });
    assert.ok(Date.parse(link.expiresAt) > Date.now());
    const opened = await fetch(link.url);
    assert.deepEqual(Buffer.from(await opened.arrayBuffer()), photo);
  });

  test('says in its language why there is no file', async () => {
    const id = await server.createDead(reference({ mediaId: 'dead' }));
    for (const [language, title] of [
      ['en', /^[A-Z]/],
      ['zh', /\p{Script=Han}/u],
    ] as const) {
      await assert.rejects(clientOf('read', language).content(id), (error) => {
        assert.ok(error instanceof ClientError);
        assert.deepEqual([error.status, error.code], [410, 'media_gone']);
        assert.match(error.advice ?? '', title);
        return true;
      });
    }
    await assert.rejects(clientOf('read').content(idOf(PLAIN.account, 'one')), { code: 'pending' });
  });

  test('names the fields that the server refuses', async () => {
    const wrong = { account: PLAIN.account, mediaId: 'a', kind: 'gif' } as never;
    await assert.rejects(clientOf('write').add(wrong), (error) => {
      assert.ok(error instanceof ClientError);
      assert.deepEqual([error.status, error.code], [400, 'invalid_request']);
      assert.deepEqual(
        error.errors.map(({ field }) => field),
        ['kind'],
      );
      return true;
    });
  });

  test('gets nothing with a wrong key, beyond its scope, or of other accounts', async () => {
    const stranger = createClient({ url: server.url, key: 'some-other-key-0123456789' });
    await assert.rejects(stranger.get(idOf(PLAIN.account, 'one')), { code: 'unauthorized', status: 401 });
    const item = { account: PLAIN.account, mediaId: 'one', kind: 'voice' } as const;
    await assert.rejects(clientOf('read').add(item), { code: 'forbidden', status: 403 });
    const school = clientOf('schoolRead');
    await assert.rejects(school.get(idOf(PLAIN.account, 'one')), { code: 'media_not_found' });
    await clientOf('write').add({ account: SAFE.account, mediaId: 'of-the-school', kind: 'image' });
    for await (const { account } of school.list()) assert.equal(account, SAFE.account);
  });
});
