/** The door: the catalogue if it answers in time, else the spool; and back again. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { idOf, type Reference, type ReferenceInput } from '../../../src/media.ts';
import type { DatabaseAvailabilityTiming } from '../../../src/pipeline/ingest/database-availability.ts';
import { createIngest, type SpoolUseChange } from '../../../src/pipeline/ingest/ingest.ts';
import {
  createInsertBatcher,
  OverloadedError,
  UnknownAccountError,
} from '../../../src/pipeline/ingest/insert-batcher.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { openSpool } from '../../../src/spool/spool.ts';
import { PLAIN } from '../../server/setup.ts';

const NOON = new Date('2026-05-01T12:00:00Z');
const input = (mediaId: string): ReferenceInput => ({ account: 'shop', mediaId, kind: 'image' });
const away = () => new DatabaseUnavailableError('away');

async function setup(t: TestContext, timing: DatabaseAvailabilityTiming = {}, limitBytes = 1024 * 1024) {
  const folder = await mkdtemp(join(tmpdir(), 'intake-'));
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const spool = await openSpool({ folder, limitBytes, floorBytes: 0, log });
  const stop = new AbortController();
  const time = { now: NOON };
  const clock = { now: () => time.now };
  const metrics = createMetrics();
  const uses: SpoolUseChange[] = [];
  const rows = new Map<string, Reference>();
  const others: unknown[][] = [];
  let asked = 0;
  const state = { trouble: undefined as (() => Promise<never>) | undefined };
  const answer = async () => {
    asked++;
    await state.trouble?.();
  };
  const catalogue = {
    ping: answer,
    media: {
      insert: async (references: readonly Reference[]) => {
        await answer();
        if (references.some(({ mediaId }) => mediaId === 'unfit'))
          throw Object.assign(new Error('out of range'), { code: '22003' });
        return references.map((reference) => {
          const id = idOf(reference.account, reference.mediaId);
          const created = !rows.has(id);
          rows.set(id, reference);
          return { id, account: reference.account, status: 'pending' as const, created };
        });
      },
    },
    encryptedSecrets: {
      writeUnlessNewer: async (...given: unknown[]) => {
        await answer();
        others.push(given);
      },
    },
    kfCursors: {
      requestRead: async (...given: unknown[]) => {
        await answer();
        others.push(given);
      },
    },
  };
  const shared = {
    catalogue,
    accounts: createAccounts([PLAIN]),
    clock,
    metrics,
    onAccepted: () => undefined,
  };
  const intake = createIngest(
    { ...shared, accept: createInsertBatcher(shared), log, spool, onSpoolUse: (use) => uses.push(use) },
    { retryMs: 20, ...timing },
  );
  let running: Promise<void> | undefined;
  t.after(async () => {
    stop.abort();
    await running;
    await spool.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    intake,
    spool,
    state,
    time,
    uses,
    rows,
    others,
    asked: () => asked,
    folder,
    run: () => {
      running = intake.run(stop.signal);
    },
    emptied: async () => {
      while (spool.size.records > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

describe('the intake', () => {
  it('writes what was spooled when the catalogue is back, with the time of acceptance, and says begun and ended', async (t) => {
    const { intake, state, time, uses, rows, run, emptied } = await setup(t);
    state.trouble = async () => Promise.reject(away());
    const [taken] = await intake.ingestCallback([input('late')]);
    const id = idOf(PLAIN.account, 'late');
    assert.deepEqual(taken, { id, account: PLAIN.account, status: 'pending', created: true, spooled: true });
    time.now = new Date('2026-05-01T15:00:00Z');
    state.trouble = undefined;
    run();
    await emptied();
    assert.deepEqual(rows.get(id), { account: PLAIN.account, mediaId: 'late', kind: 'image', sentAt: NOON });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      uses.map((use) => [use.state, use.records]),
      [
        ['begun', 1],
        ['ended', 0],
      ],
    );
  });

  it('asks a catalogue that is known to be away no more, and notices by itself that it is back', async (t) => {
    const { intake, state, asked, run } = await setup(t);
    state.trouble = async () => Promise.reject(away());
    await intake.ingestCallback([input('a')]);
    assert.equal(asked(), 1);
    for (const name of ['b', 'c', 'd']) await intake.ingestCallback([input(name)]);
    assert.equal(asked(), 1);
    assert.equal(intake.state.isDatabaseDown, true);
    state.trouble = undefined;
    run();
    while (intake.state.isDatabaseDown) await new Promise((resolve) => setTimeout(resolve, 5));
    const [taken] = await intake.ingestCallback([input('e')]);
    assert.equal(taken?.spooled, undefined);
  });

  it('waits for a catalogue that hangs once, and not again', async (t) => {
    const { intake, state, asked } = await setup(t, { timeoutMs: 30 });
    state.trouble = () => new Promise(() => undefined);
    for (const name of ['a', 'b', 'c'])
      assert.equal((await intake.ingestCallback([input(name)]))[0]?.spooled, true);
    assert.equal(asked(), 1);
  });

  it('keeps tickets and customer-service triggers likewise, sealed as they came, of the moment they came', async (t) => {
    const { intake, state, time, others, run, emptied, folder } = await setup(t);
    state.trouble = async () => Promise.reject(away());
    await intake.storeSecret({ name: 'ticket of a platform', encrypted: 'v1.sealed-ticket' });
    await intake.requestKfSync('wx', 'wk1', 'v1.sealed-token');
    const [file = ''] = (await readdir(join(folder, '1'))).filter((name) => name.endsWith('.log'));
    const text = await readFile(join(folder, '1', file), 'utf8');
    assert.match(text, /v1\.sealed-ticket.*\n.*v1\.sealed-token/);
    time.now = new Date('2026-05-01T15:00:00Z');
    state.trouble = undefined;
    run();
    await emptied();
    assert.deepEqual(others, [
      ['ticket of a platform', 'v1.sealed-ticket', NOON],
      ['wx', 'wk1', 'v1.sealed-token', NOON],
    ]);
  });

  it('refuses what would be refused anyway: an unknown account, a value no column takes', async (t) => {
    const { intake, state, spool } = await setup(t);
    await assert.rejects(intake.ingestCallback([input('unfit')]), { code: '22003' });
    state.trouble = async () => Promise.reject(away());
    await assert.rejects(intake.ingestCallback([{ ...input('x'), account: 'nobody' }]), UnknownAccountError);
    assert.equal(spool.size.records, 0);
  });

  it('sets aside what no column takes, and writes its neighbours', async (t) => {
    const { intake, state, rows, run, emptied, folder } = await setup(t);
    state.trouble = async () => Promise.reject(away());
    for (const name of ['a', 'unfit', 'b']) await intake.ingestCallback([input(name)]);
    state.trouble = undefined;
    run();
    await emptied();
    assert.deepEqual(
      [...rows.values()].map(({ mediaId }) => mediaId),
      ['a', 'b'],
    );
    assert.match(await readFile(join(folder, 'set-aside.log'), 'utf8'), /"unfit"/);
  });

  it('under more than can be written turns requests away early, and takes every callback', async (t) => {
    const { intake, state } = await setup(t, { timeoutMs: 60_000 });
    const held = Promise.withResolvers<never>();
    state.trouble = () => held.promise;
    const group = (at: number) => Array.from({ length: 500 }, (_, n) => input(`media-${at}-${n}`));
    const waiting: Promise<unknown>[] = [];
    let refusal: unknown;
    for (let at = 0; !refusal; at++) {
      // Settled at once where it is refused; else it waits.
      const asked = intake.ingestRequest(group(at));
      waiting.push(asked.catch(() => undefined));
      refusal = await Promise.race([asked.catch((error) => error), new Promise((r) => setImmediate(r))]);
    }
    assert.ok(refusal instanceof OverloadedError);
    let spooled: boolean | undefined;
    for (let at = 100; !spooled; at++) {
      const asked = intake.ingestCallback(group(at));
      waiting.push(asked.catch(() => undefined));
      const full = at > 150 ? asked : Promise.race([asked, new Promise<[]>((r) => setTimeout(r, 100, []))]);
      spooled = (await full)[0]?.spooled;
    }
    assert.equal(intake.state.isDatabaseDown, false);
    held.reject(away());
    await Promise.all(waiting);
  });

  it('lets requests fill three quarters of the spool, and keeps the last one for callbacks', async (t) => {
    const { intake, state, spool } = await setup(t, {}, 40_000);
    state.trouble = async () => Promise.reject(away());
    let taken = 0;
    const fill = async (take: typeof intake.ingestRequest) => {
      for (;;) await take([input(`media-${taken++}`)]);
    };
    await assert.rejects(fill(intake.ingestRequest), DatabaseUnavailableError);
    assert.ok(spool.size.bytes > 29_000 && spool.size.bytes <= 30_000, `${spool.size.bytes} bytes`);
    assert.equal((await intake.ingestCallback([input('voice')]))[0]?.spooled, true);
    await intake.storeSecret({ name: 'ticket of a platform', encrypted: 'v1.sealed-ticket' });
    await intake.requestKfSync('wx', 'wk1', 'v1.sealed-token');
    await assert.rejects(fill(intake.ingestCallback), DatabaseUnavailableError);
    assert.ok(spool.size.bytes > 39_000 && spool.size.bytes <= 40_000, `${spool.size.bytes} bytes`);
  });

  it('with neither says what the catalogue said', async (t) => {
    const { intake, state, spool } = await setup(t);
    t.mock.method(spool, 'append', async () => Promise.reject(new Error('disk')));
    state.trouble = async () => Promise.reject(away());
    await assert.rejects(intake.ingestCallback([input('a')]), DatabaseUnavailableError);
    await assert.rejects(intake.ingestCallback([input('b')]), DatabaseUnavailableError);
  });
});
