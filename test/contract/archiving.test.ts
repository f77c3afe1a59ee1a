/** From an accepted reference to an object and a row: the same on all three shapes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import type { MediaRecipe, ResponseFault } from '../../src/simulator/media/media-id.ts';
import {
  A,
  B,
  type Fixture,
  idOfInput,
  itOnce,
  lifetimeMs,
  type Program,
  receive,
  SHAPES,
  sha256Of,
  until,
  untilEnded,
} from './shapes.ts';

const MIB = 1024 * 1024;
type Wish = Partial<Omit<MediaRecipe, 'appId'>>;

/** What WeChat sends, and what the row must hold. */
const GOOD: readonly { what: string; wish: Wish; is: Record<string, unknown>; extension: string }[] = [
  {
    what: 'a picture',
    wish: { kind: 'image', seed: 16 },
    is: { contentType: 'image/jpeg', declaredType: 'image/jpeg', source: 'media_get', lengthVerified: true },
    extension: 'jpg',
  },
  {
    what: 'a voice',
    wish: { kind: 'voice' },
    is: { contentType: 'audio/amr', declaredType: 'audio/amr', source: 'media_get' },
    extension: 'amr',
  },
  {
    what: 'a wide voice that WeChat calls narrow',
    wish: { kind: 'voice16k' },
    is: { contentType: 'audio/amr-wb', declaredType: 'audio/amr', source: 'media_get' },
    extension: 'awb',
  },
  {
    what: 'a video',
    wish: { kind: 'video' },
    is: { contentType: 'video/mp4', source: 'media_get', lengthVerified: true },
    extension: 'mp4',
  },
  {
    what: 'a video behind a video_url',
    wish: { kind: 'video', fault: { name: 'videoUrl' } },
    is: { contentType: 'video/mp4', source: 'video_url', lengthVerified: true },
    extension: 'mp4',
  },
  {
    what: 'a body in chunks, whose last chunk proves its end',
    wish: { kind: 'image', seed: 17, fault: { name: 'chunked' } },
    is: { contentType: 'image/jpeg', lengthVerified: true },
    extension: 'jpg',
  },
  {
    what: 'a body that ends with its connection',
    wish: { kind: 'voice', fault: { name: 'noLength' } },
    is: { contentType: 'audio/amr', lengthVerified: false },
    extension: 'amr',
  },
  {
    what: 'a video of 30 MB',
    wish: { kind: 'video', sizeBytes: 30 * MIB },
    is: { contentType: 'video/mp4', lengthVerified: true },
    extension: 'mp4',
  },
  {
    what: 'a picture under a wrong type',
    wish: { kind: 'image', seed: 18, fault: { name: 'wrongType' } },
    is: { contentType: 'image/jpeg', declaredType: 'text/plain' },
    extension: 'jpg',
  },
  {
    what: 'a file name in a wrong encoding',
    wish: { kind: 'image', seed: 19, fault: { name: 'oddContentDisposition' } },
    is: { fileName: '测试(一).jpg' },
    extension: 'jpg',
  },
];

/** Which of the two ends of a connection is noticed first is the machine's choice. */
const BROKEN = /^(network|body_too_short)$/;

/** What makes a first attempt fail. */
const PASSING: readonly { wish: Wish; code: RegExp }[] = [
  ...(
    [
      [{ name: 'shortBody' }, /^body_too_short$/],
      [{ name: 'lengthTooLarge' }, /^body_too_short$/],
      [{ name: 'systemBusy' }, /^system_busy$/],
      [{ name: 'tokenRefused' }, /^access_token_invalid$/],
      [{ name: 'html200' }, /^body_not_media$/],
      [{ name: 'emptyBody' }, /^body_empty$/],
      [{ name: 'http502' }, /^http_status$/],
      [{ name: 'reset' }, BROKEN],
      [{ name: 'gzip' }, /^body_encoded$/],
      [{ name: 'stall' }, /^timeout$/],
    ] as [ResponseFault, RegExp][]
  ).map(([fault, code]) => ({ wish: { fault: { ...fault, times: 1 } }, code })),
  // In the middle of a multipart.
  ...(['shortBody', 'reset', 'stall'] as const).map((name) => ({
    wish: { kind: 'video', sizeBytes: 24 * MIB, fault: { name, times: 1 } } satisfies Wish,
    code: { shortBody: /^body_too_short$/, reset: BROKEN, stall: /^timeout$/ }[name],
  })),
];

for (const shape of SHAPES) {
  describe(`archiving with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open();
      program = await fixture.start();
    });
    after(() => fixture?.close());

    const accept = async (inputs: readonly Reference[]) =>
      (await program.parts.accept(inputs)).map(({ id }) => id);

    it('archives, retries, gives up and expires, and takes a repeated reference for one item', async () => {
      const inputs = [
        receive(fixture.simulator, { kind: 'image' }),
        receive(fixture.simulator, { kind: 'video', sizeBytes: 12 * MIB }),
        receive(fixture.simulator, { fault: { name: 'shortBody', times: 1 } }),
        receive(fixture.simulator, { fault: { name: 'invalid' } }),
        receive(fixture.simulator, { createdAt: new Date(Date.now() - lifetimeMs - 1_000) }),
      ];
      const ids = await accept([...inputs, inputs[0]!]);
      assert.equal(ids.at(-1), idOfInput(inputs[0]!));
      const rows = await untilEnded(program, ids);
      assert.deepEqual(
        rows.map(({ status }) => status),
        ['archived', 'archived', 'archived', 'dead', 'expired', 'archived'],
      );
      const [first] = await program.parts.catalogue.media.attempts(ids[2]!);
      assert.deepEqual([first?.outcome, first?.code], ['failed', 'body_too_short']);
      for (const [index, row] of rows.slice(0, 3).entries())
        assert.equal(row.sha256, await sha256Of(fixture.simulator, inputs[index]!));
    });

    once('stores the bytes that WeChat sent, under the key of the rule, with their type', async () => {
      const inputs = GOOD.map(({ wish }) => receive(fixture.simulator, wish));
      const rows = await untilEnded(program, await accept(inputs));
      const objects = await fixture.objects(program);
      for (const [index, { what, is, extension }] of GOOD.entries()) {
        const row = rows[index]!;
        const input = inputs[index]!;
        assert.equal(row.status, 'archived', `${what}: ${JSON.stringify(row.failure)}`);
        const day = input.sentAt.toISOString().slice(0, 10).replaceAll('-', '/');
        assert.equal(row.objectKey, `${A}/${day}/${row.id}.${extension}`, what);
        const digest = await fixture.simulator.digestOf(A, input.mediaId);
        assert.deepEqual(digest, { sha256: row.sha256, sizeBytes: row.sizeBytes }, what);
        assert.equal(objects.get(row.objectKey), digest?.sha256, what);
        const said = Object.fromEntries(Object.keys(is).map((name) => [name, row[name as keyof typeof row]]));
        assert.deepEqual(said, is, what);
        assert.equal(row.attempts, 1, what);
        assert.deepEqual(
          (await program.parts.catalogue.media.attempts(row.id)).map(({ outcome, bytes }) => ({
            outcome,
            bytes,
          })),
          [{ outcome: 'archived', bytes: row.sizeBytes }],
        );
      }
      const { media } = fixture.simulator.requestLog.report();
      assert.equal(media[inputs[5]!.mediaId]?.served, 1, 'a last chunk is proof enough');
      assert.equal(media[inputs[6]!.mediaId]?.served, 2, 'what proves nothing is fetched twice');
      assert.equal(media[inputs[0]!.mediaId]?.served, 1);
    });

    once('makes one row, one object and one download of a repeated reference', async () => {
      const input = receive(fixture.simulator);
      const [id] = await accept([input, { ...input, openId: 'o1' }]);
      const [row] = await untilEnded(program, [id!]);
      const [again] = await program.parts.accept([input]);
      assert.deepEqual(again, { id, account: A, status: 'archived', created: false });
      assert.equal(row?.openId, 'o1');
      assert.equal(fixture.simulator.requestLog.report().media[input.mediaId]?.requests, 1);
    });

    once('succeeds on a later attempt after a first that failed, and leaves no open upload', async () => {
      const inputs = PASSING.map(({ wish }) => receive(fixture.simulator, wish));
      const rows = await untilEnded(program, await accept(inputs));
      for (const [index, { wish, code }] of PASSING.entries()) {
        const row = rows[index]!;
        const what = `${wish.fault?.name} ${wish.sizeBytes ?? ''}`;
        assert.equal(row.status, 'archived', `${what}: ${JSON.stringify(row.failure)}`);
        assert.equal(row.sha256, await sha256Of(fixture.simulator, inputs[index]!), what);
        const [first] = await program.parts.catalogue.media.attempts(row.id);
        assert.equal(first?.outcome, 'failed', what);
        assert.match(first.code ?? '', code, what);
        assert.equal(row.failure, undefined, 'a success forgets the failures before it');
      }
      assert.equal(await fixture.openUploads(), 0);
    });

    once('archives everything although the token is invalidated in the middle', async () => {
      const some = () => Array.from({ length: 12 }, () => receive(fixture.simulator));
      const first = await accept(some());
      fixture.simulator.invalidateTokens(A);
      const rows = await untilEnded(program, [...first, ...(await accept(some()))]);
      assert.ok(rows.every((row) => row.status === 'archived'));
    });

    once('gives up at once when WeChat will never return the file, and stores its message', async () => {
      const [row] = await untilEnded(
        program,
        await accept([receive(fixture.simulator, { fault: { name: 'invalid' } })]),
      );
      assert.equal(row?.status, 'dead');
      assert.equal(row.attempts, 1);
      assert.equal(row.failure?.errcode, 40007);
      assert.equal(row.failure.class, 'permanent_media');
      assert.match(row.failure.errmsg ?? '', /invalid media_id/);
      assert.match(row.failure.rid ?? '', /^[\w-]+$/);
    });

    once('marks items as expired that WeChat deleted after three days', async () => {
      const old = receive(fixture.simulator, { createdAt: new Date(Date.now() - lifetimeMs - 1_000) });
      const [row] = await untilEnded(program, await accept([old]));
      assert.deepEqual([row?.status, row?.attempts, row?.failure?.errcode], ['expired', 1, 40007]);
    });

    once('gives an unknown errcode three attempts', async () => {
      const odd = receive(fixture.simulator, { fault: { name: 'errcode', amount: 123_456 } });
      const [row] = await untilEnded(program, await accept([odd]));
      assert.deepEqual(
        [row?.status, row?.attempts, row?.failure?.code],
        ['dead', 3, 'unknown_errcode'],
        JSON.stringify(row),
      );
      assert.equal((await program.parts.catalogue.media.attempts(row!.id)).length, 3);
    });

    once('refuses an item above the size limit, and a file message, which cannot be downloaded', async () => {
      const large = receive(fixture.simulator, { kind: 'video', sizeBytes: 41 * MIB });
      const file: Reference = { account: A, mediaId: 'msg:1', kind: 'file', sentAt: new Date() };
      const rows = await untilEnded(program, await accept([large, file]));
      assert.deepEqual(
        rows.map((row) => [row.status, row.failure?.code, row.attempts]),
        [
          ['dead', 'too_large', 1],
          ['dead', 'not_downloadable', 0],
        ],
      );
    });

    once(
      'holds an account whose calls are refused, without spending attempts, while others continue',
      async () => {
        fixture.simulator.setAccountWideFault(B, { name: 'errcode', amount: 45011 });
        const [held] = await accept([receive(fixture.simulator, { account: B })]);
        const wait = await until('the hold', async () => {
          const waiting = (await program.parts.catalogue.media.get(held!))?.waiting;
          return waiting?.reason === 'accountHeld' && waiting;
        });
        assert.ok(wait.until! > new Date());
        const later = await accept([receive(fixture.simulator, { account: B }), receive(fixture.simulator)]);
        assert.equal((await untilEnded(program, [later[1]!]))[0]?.status, 'archived');
        fixture.simulator.setAccountWideFault(B, undefined);
        const rows = await untilEnded(program, [held!, later[0]!]);
        assert.deepEqual(
          rows.map((row) => [row.status, row.attempts]),
          [
            ['archived', 1],
            ['archived', 1],
          ],
        );
        const states = await program.parts.catalogue.accounts.list();
        assert.equal(states.find((state) => state.account === B)?.heldUntil, undefined, 'the hold is lifted');
        assert.equal(fixture.logLines.filter((line) => line.includes('"account: held"')).length, 1);
      },
    );

    it('has in its bucket the whole objects of archived rows and nothing else', async () => {
      const objects = await fixture.objects(program);
      const { items } = await program.parts.catalogue.media.list(
        { statuses: ['archived'] },
        { sort: 'sentAt', limit: 200 },
      );
      assert.deepEqual(
        new Map(items.map((row) => [row.objectKey, row.sha256]).sort() as [string, string][]),
        new Map([...objects].sort()),
      );
      assert.equal(await fixture.openUploads(), 0);
    });
  });
}
