/** A store that refuses everything spends no attempts and no calls of WeChat; one probe at a time finds when it is back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type FaultyStore, openFaultyStore, type StoreBehaviour } from './faulty-store.ts';
import {
  A,
  B,
  type Fixture,
  idOfInput,
  itOnce,
  type Program,
  receive,
  SHAPES,
  until,
  untilEnded,
} from './shapes.ts';

const MOODS: readonly { what: string; mood: StoreBehaviour; code: string }[] = [
  { what: 'wrong keys', mood: { status: 403, code: 'SignatureDoesNotMatch' }, code: 'store_secret_wrong' },
  { what: 'a store that breaks off', mood: 'reset', code: 'store_unavailable' },
];
/** Probes of a store that refuses are 25 ms to half a second apart. */
const LIFE = { mediaLifetimeMs: 72 * 3_600_000, timeScale: 600 };
const isProbe = (key: string) => key.includes('.probe/');

for (const shape of SHAPES) {
  describe(`the hold of the store with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let store: FaultyStore;
    /** Two of them where the shape allows. */
    const programs: Program[] = [];
    let program: Program;
    before(async () => {
      fixture = await shape.open({ life: LIFE });
      store = await openFaultyStore();
      for (let place = 0; place < (fixture.shared ? 2 : 1); place++)
        programs.push(await fixture.start({ env: store.env }));
      program = programs[0]!;
    });
    after(async () => {
      await fixture?.close();
      await store?.close();
    });

    const many = (count: number, account = A) =>
      Array.from({ length: count }, () => receive(fixture.simulator, { account }));
    const accept = async (inputs: ReturnType<typeof many>) =>
      (await program.parts.accept(inputs)).map(({ id }) => id);
    const hold = async () => (await program.parts.catalogue.storeHold.read()).hold;
    const said = (words: string) => fixture.logLines.filter((line) => line.includes(words)).length;
    const asked = () => fixture.simulator.requestLog.report().totals.mediaRequests;
    const inQueue = async () =>
      (await program.parts.database.query('SELECT id FROM wma.media WHERE stage = 2')).length;
    const auditEntries = async () =>
      (await program.parts.catalogue.auditLog.list({ target: 'store' }, 100)).map(({ action }) => action);

    for (const { what, mood, code } of MOODS) {
      const test = mood === 'reset' ? it : once;
      test(`${what}: no attempts spent, one warning, one prober, and all is archived once it is over`, async () => {
        const before = { held: said('archiving is held'), auditEntries: (await auditEntries()).length };
        store.respondWith(mood);
        const ids = [...(await accept(many(25, A))), ...(await accept(many(25, B)))];
        const found = await until('the hold', hold);
        assert.equal(found.failure.code, code);
        await until('all in hand are back', async () => (await inQueue()) === 0);

        const putsBefore = store.puts.length;
        const askedBefore = asked();
        const { since, probes } = (await hold())!;
        await until('three probes', async () => ((await hold())?.probes ?? 0) >= probes + 3);
        const puts = store.puts.slice(putsBefore);
        const { probes: now } = (await hold())!;
        assert.deepEqual(
          puts.filter((key) => !isProbe(key)),
          [],
        );
        // A store that is away is asked up to three times by one probe; one more may be under way.
        const perProbe = code === 'store_secret_wrong' ? 1 : 3;
        assert.ok(
          puts.length <= (now - probes + 1) * perProbe,
          `${puts.length} puts, ${now - probes} probes`,
        );
        assert.equal(asked(), askedBefore, 'nothing is fetched that could not be kept');
        for (const id of ids) {
          const row = await program.parts.catalogue.media.get(id);
          assert.deepEqual([row?.status, row?.attempts, row?.waiting?.reason], ['pending', 0, 'storeHeld']);
          assert.ok(row!.waiting!.until! > since);
        }
        const stats = await program.parts.catalogue.stats.read(new Date());
        assert.deepEqual(stats.waiting, { storeHeld: 50 });

        store.respondWith('open');
        const rows = await untilEnded(program, ids);
        assert.deepEqual(
          new Set(rows.map((row) => `${row.status} ${row.attempts}`)),
          new Set(['archived 1']),
        );
        assert.equal(await hold(), undefined);
        assert.equal(said('archiving is held') - before.held, 1);
        const done = (await auditEntries()).slice(0, -before.auditEntries || undefined);
        assert.deepEqual(done, ['release', 'hold'], 'newest first');
      });
    }

    once(
      'takes the refusal of one object, while others are stored, for a failure of that object',
      async () => {
        const before = said('archiving is held');
        const inputs = many(6);
        const refused = idOfInput(inputs[0]!);
        store.respondWith((key) => (key.includes(refused) ? { status: 403, code: 'AccessDenied' } : 'open'));
        const [, ...others] = await accept(inputs);
        const row = await until('its failure', async () => {
          const found = await program.parts.catalogue.media.get(refused);
          return found?.failure && found;
        });
        assert.deepEqual([row.failure?.code, row.attempts >= 1], ['store_refused', true]);
        for (const one of await untilEnded(program, others)) assert.equal(one.status, 'archived');
        assert.equal(said('archiving is held'), before);
        store.respondWith('open');
        assert.equal((await untilEnded(program, [refused]))[0]?.status, 'archived');
      },
    );

    once('cuts a running download when a hold begins, and records no attempt', async () => {
      const slow = receive(fixture.simulator, { account: B, fault: { name: 'trickle', amount: 900 } });
      const [slowId] = await accept([slow]);
      await until(
        'the slow one under way',
        async () => (await program.parts.catalogue.media.get(slowId!))?.waiting?.reason === 'running',
      );
      store.respondWith({ status: 403, code: 'AccessDenied' });
      const [other] = await accept(many(1));
      await until('the hold', hold);
      await until('both are back', async () => (await inQueue()) === 0);
      for (const id of [slowId!, other!]) {
        const row = await program.parts.catalogue.media.get(id);
        assert.deepEqual([row?.attempts, row?.waiting?.reason], [0, 'storeHeld']);
      }
      assert.deepEqual(await program.parts.catalogue.media.attempts(slowId!), [], 'it was not waited for');
      assert.equal((await program.parts.catalogue.media.attempts(other!))[0]?.outcome, 'waited');
    });
  });
}
