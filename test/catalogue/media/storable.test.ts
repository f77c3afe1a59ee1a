/** What comes from outside goes into columns whatever characters and numbers it is made of, on every database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Failure } from '../../../src/failures.ts';
import { idOf, type Reference } from '../../../src/media.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { type Bundle, backends, setup } from '../backends.ts';

const ACCOUNT = 'wx0123456789abcdef';
const NOW = new Date('2026-05-01T12:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);

const PIECES = [
  '\0',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u009f',
  '\ud800',
  '\udfff',
  '😀',
  '\\u0000',
  '\\',
  '"',
  "'",
  '\u202e',
  '\ufeff',
  '\uffff',
  'a',
  '{',
  '$1',
  '%s',
  '\r\n',
];
const ERRCODES = [
  3_000_000_000,
  -3_000_000_000,
  2 ** 53,
  40007.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  0,
  -1,
];

describe('text and numbers from outside', () => {
  for (const { name, skip, open } of backends) {
    it(`hostile texts and numbers can be stored in every column, on ${name}`, {
      skip,
      timeout: 120_000,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const random = createRandom(36);
      const hostile = () =>
        Array.from(
          { length: 1 + Math.floor(random() * 6) },
          () => PIECES[Math.floor(random() * PIECES.length)],
        ).join('');
      for (let generation = 0; generation < 25; generation++)
        await writeEverywhere(bundle, generation, hostile, random);
    });

    it(`texts that Postgres refuses are cleaned, on ${name}`, { skip }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { id, generation } = await dispatched(bundle, 'x');
      const of = { id, generation, startedAt: NOW, endedAt: NOW };
      const failure: Failure = {
        code: 'invalid_media_id',
        class: 'permanent_media',
        errmsg: 'bad \0\ud800 id',
        errcode: 3e9,
      };
      assert.equal(await bundle.catalogue.outcomes.markFailed(of, failure, { to: 'dead' }, true), true);
      const row = await bundle.catalogue.media.get(id);
      assert.equal(row?.status, 'dead');
      assert.equal(row?.failure?.errmsg, 'bad \ufffd id');
      assert.equal(row?.failure?.errcode, undefined, 'a number that no column holds is left out');
    });

    it(`a row that cannot be stored fails none of the others of its batch, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await refuse(bundle);
      const good = await dispatched(bundle, 'good');
      const bad = await dispatched(bundle, 'poison');
      const stored = (fileName: string) => ({
        bucket: 'b',
        objectKey: 'k',
        sizeBytes: 1,
        sha256: '0'.repeat(64),
        contentType: 'image/png',
        fileName,
        source: 'media_get' as const,
        lengthVerified: true,
      });
      const done = await Promise.allSettled(
        [good, bad].map((job, index) =>
          bundle.catalogue.outcomes.markArchived(
            { ...job, startedAt: NOW, endedAt: NOW, account: ACCOUNT },
            stored(index === 0 ? 'fine.png' : 'poison'),
          ),
        ),
      );
      assert.deepEqual(
        done.map(({ status }) => status),
        ['fulfilled', 'rejected'],
      );
      assert.equal((await bundle.catalogue.media.get(good.id))?.status, 'archived');
    });

    it(`a customer-service message that cannot be stored does not block its page, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await refuse(bundle);
      const { kfCursors } = bundle.catalogue;
      await kfCursors.requestRead(ACCOUNT, 'kf', 'ciphertext', NOW);
      const sync = (await kfCursors.claim([ACCOUNT], NOW, later(60_000), later(-1)))!;
      const references = ['one', 'poison', 'two'].map((mediaId) => reference(mediaId, { openId: mediaId }));
      const accepted = await kfCursors.commitPage(sync, { references, nextCursor: 'next' }, NOW);
      assert.equal(accepted?.length, 2);
      assert.equal(
        await kfCursors.claim([ACCOUNT], later(120_000), later(180_000), later(-1)),
        undefined,
        'the page has been read',
      );
    });
  }
});

/** What a later migration may do, or a fault of ours: a value is refused that the program took for good. */
async function refuse({ database }: Bundle): Promise<void> {
  await database.query(
    `ALTER TABLE wma.media ADD CHECK (file_name <> 'poison' AND open_id IS DISTINCT FROM 'poison')`,
  );
}

const reference = (mediaId: string, more: Partial<Reference> = {}): Reference => ({
  account: ACCOUNT,
  mediaId,
  kind: 'image',
  sentAt: NOW,
  ...more,
});

async function dispatched(
  { catalogue }: Pick<Bundle, 'catalogue'>,
  mediaId: string,
): Promise<{ id: string; generation: number }> {
  await catalogue.media.insert([reference(mediaId)], NOW, false);
  await catalogue.queue.claim([{ account: ACCOUNT, capacity: 100 }], NOW, 100);
  return { id: idOf(ACCOUNT, mediaId), generation: 1 };
}

/** Each verb of the catalogue that keeps something from outside. */
async function writeEverywhere(
  { catalogue }: Pick<Bundle, 'catalogue'>,
  generation: number,
  text: () => string,
  random: () => number,
): Promise<void> {
  const errcode = ERRCODES[Math.floor(random() * ERRCODES.length)]!;
  const failure: Failure = {
    code: text(),
    class: 'unknown',
    errcode,
    errmsg: text(),
    rid: text(),
    detail: text(),
  };
  const job = await dispatched({ catalogue }, `media ${generation}`);
  const of = { ...job, startedAt: NOW, endedAt: later(generation) };
  await catalogue.media.insert(
    [
      reference(`other ${generation}`, {
        openId: text(),
        msgId: text(),
        picUrl: text(),
        text: text(),
        labels: { [text()]: text() },
      }),
    ],
    NOW,
    false,
  );
  await catalogue.outcomes.markFailed(of, failure, { to: 'queue', at: later(1_000), reason: 'retry' }, true);
  await catalogue.outcomes.reserve(job, { bucket: text(), objectKey: text() }, NOW);
  await catalogue.uploads.record(job, text());
  await catalogue.outcomes.markArchived(
    { ...of, account: ACCOUNT },
    {
      bucket: text(),
      objectKey: text(),
      sizeBytes: Number.MAX_SAFE_INTEGER,
      sha256: text(),
      contentType: text(),
      declaredType: text(),
      fileName: text(),
      source: 'media_get',
      lengthVerified: true,
    },
  );
  await catalogue.accounts.hold(ACCOUNT, later(1_000), failure, NOW);
  await catalogue.accounts.holdByHand(ACCOUNT, later(1_000), { ...failure, by: text(), reason: text() }, NOW);
  await catalogue.storeHold.takeProbe('prober', NOW, later(1));
  await catalogue.storeHold.probeFailed('prober', later(1), failure, NOW);
  await catalogue.storeHold.takeProbe('prober', later(10), later(11));
  await catalogue.storeHold.probeSucceeded('prober', NOW, later(10));
  await catalogue.alerts.report(
    [{ kind: 'account_held', target: text(), since: NOW, count: 1, detail: { [text()]: text() } }],
    NOW,
  );
  await catalogue.callbackCounts.add(
    [{ account: text(), day: '2026-05-01', refused: true, what: text(), count: 1 }],
    [{ account: ACCOUNT, clockSkew: { seconds: 2 ** 31 - 1, at: NOW } }],
    '2026-04-01',
  );
  const verification = await catalogue.verifications.create(
    { kind: 'orphans', options: {}, by: text(), reason: text() },
    NOW,
  );
  await catalogue.verifications.start(verification, undefined, NOW);
  await catalogue.verifications.savePage(
    verification,
    {
      from: undefined,
      to: text(),
      ended: true,
      done: 1,
      bytes: 1,
      counts: { [text()]: 1 },
      findings: [{ what: text(), objectKey: text(), detail: text() }],
    },
    NOW,
  );
  await catalogue.redrives.create(
    {
      filter: { status: ['dead'], account: [text()], code: [text()] },
      rate: 1,
      actor: text(),
      reason: text(),
    },
    NOW,
  );
}
