/** References go into the catalogue if it responds in time, else into the spool, and from there into the catalogue. */
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
const unavailable = () => new DatabaseUnavailableError('unavailable');

async function setup(t: TestContext, timing: DatabaseAvailabilityTiming = {}, limitBytes = 1024 * 1024) {
  const folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const spool = await openSpool({ folder, limitBytes, floorBytes: 0, log });
  const stop = new AbortController();
  const time = { now: NOON };
  const clock = { now: () => time.now };
  const metrics = createMetrics();
  const uses: SpoolUseChange[] = [];
  const rows = new Map<string, Reference>();
  const others: unknown[][] = [];
  let queries = 0;
  const state = { fault: undefined as (() => Promise<never>) | undefined };
  const respond = async () => {
    queries++;
    await state.fault?.();
  };
  const catalogue = {
    ping: respond,
    media: {
      insert: async (references: readonly Reference[]) => {
        await respond();
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
        await respond();
        others.push(given);
      },
    },
    kfCursors: {
      requestRead: async (...given: unknown[]) => {
        await respond();
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
  const ingest = createIngest(
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
    ingest,
    spool,
    state,
    time,
    uses,
    rows,
    others,
    queries: () => queries,
    folder,
    run: () => {
      running = ingest.run(stop.signal);
    },
    emptied: async () => {
      while (spool.size.records > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

describe('ingest', () => {
  it('replays the spool when the catalogue is back, with the time of acceptance, and reports begin and end', async (t) => {
    const { ingest, state, time, uses, rows, run, emptied } = await setup(t);
    state.fault = async () => Promise.reject(unavailable());
    const text = '发票开好了吗？🎉';
    const [taken] = await ingest.ingestCallback([{ ...input('late'), text }]);
    const id = idOf(PLAIN.account, 'late');
    assert.deepEqual(taken, { id, account: PLAIN.account, status: 'pending', created: true, spooled: true });
    time.now = new Date('2026-05-01T15:00:00Z');
    state.fault = undefined;
    run();
    await emptied();
    assert.deepEqual(rows.get(id), {
      account: PLAIN.account,
      mediaId: 'late',
      kind: 'image',
      sentAt: NOON,
      text,
    });
    // Reported just after the last record has left the spool.
    while (uses.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(
      uses.map((use) => [use.state, use.records]),
      [
        ['begun', 1],
        ['ended', 0],
      ],
    );
  });

  it('does not query a database that is known to be down, and notices when it is back', async (t) => {
    const { ingest, state, queries, run } = await setup(t);
    state.fault = async () => Promise.reject(unavailable());
    await ingest.ingestCallback([input('a')]);
    assert.equal(queries(), 1);
    for (const name of ['b', 'c', 'd']) await ingest.ingestCallback([input(name)]);
    assert.equal(queries(), 1);
    assert.equal(ingest.state.isDatabaseDown, true);
    state.fault = undefined;
    run();
    while (ingest.state.isDatabaseDown) await new Promise((resolve) => setTimeout(resolve, 5));
    const [taken] = await ingest.ingestCallback([input('e')]);
    assert.equal(taken?.spooled, undefined);
  });

  it('waits once for a database that hangs, and not again', async (t) => {
    const { ingest, state, queries } = await setup(t, { timeoutMs: 30 });
    state.fault = () => new Promise(() => undefined);
    for (const name of ['a', 'b', 'c'])
      assert.equal((await ingest.ingestCallback([input(name)]))[0]?.spooled, true);
    assert.equal(queries(), 1);
  });

  it('spools tickets and customer-service triggers too, encrypted and with the time of their arrival', async (t) => {
    const { ingest, state, time, others, run, emptied, folder } = await setup(t);
    state.fault = async () => Promise.reject(unavailable());
    await ingest.storeSecret({ name: 'ticket of a platform', encrypted: 'v1.encrypted-ticket' });
    await ingest.requestKfSync('wx', 'wk1', 'v1.encrypted-token');
    const [file = ''] = (await readdir(join(folder, '1'))).filter((name) => name.endsWith('.log'));
    const text = await readFile(join(folder, '1', file), 'utf8');
    assert.match(text, /v1\.encrypted-ticket.*\n.*v1\.encrypted-token/);
    time.now = new Date('2026-05-01T15:00:00Z');
    state.fault = undefined;
    run();
    await emptied();
    assert.deepEqual(others, [
      ['ticket of a platform', 'v1.encrypted-ticket', NOON],
      ['wx', 'wk1', 'v1.encrypted-token', NOON],
    ]);
  });

  it('refuses an unknown account and a value that no column can hold, whether or not the database is down', async (t) => {
    const { ingest, state, spool } = await setup(t);
    await assert.rejects(ingest.ingestCallback([input('unfit')]), { code: '22003' });
    state.fault = async () => Promise.reject(unavailable());
    await assert.rejects(ingest.ingestCallback([{ ...input('x'), account: 'unknown' }]), UnknownAccountError);
    assert.equal(spool.size.records, 0);
  });

  it('sets aside what no column can hold, and writes the rest', async (t) => {
    const { ingest, state, rows, run, emptied, folder } = await setup(t);
    state.fault = async () => Promise.reject(unavailable());
    for (const name of ['a', 'unfit', 'b']) await ingest.ingestCallback([input(name)]);
    state.fault = undefined;
    run();
    await emptied();
    assert.deepEqual(
      [...rows.values()].map(({ mediaId }) => mediaId),
      ['a', 'b'],
    );
    assert.match(await readFile(join(folder, 'set-aside.log'), 'utf8'), /"unfit"/);
  });

  it('refuses API requests early under overload, and accepts every callback', async (t) => {
    const { ingest, state } = await setup(t, { timeoutMs: 60_000 });
    const held = Promise.withResolvers<never>();
    state.fault = () => held.promise;
    const group = (at: number) => Array.from({ length: 500 }, (_, n) => input(`media-${at}-${n}`));
    const waiting: Promise<unknown>[] = [];
    let refusal: unknown;
    for (let at = 0; !refusal; at++) {
      // Settled at once where it is refused; else it waits.
      const result = ingest.ingestRequest(group(at));
      waiting.push(result.catch(() => undefined));
      refusal = await Promise.race([result.catch((error) => error), new Promise((r) => setImmediate(r))]);
    }
    assert.ok(refusal instanceof OverloadedError);
    let spooled: boolean | undefined;
    for (let at = 100; !spooled; at++) {
      const result = ingest.ingestCallback(group(at));
      waiting.push(result.catch(() => undefined));
      const full = at > 150 ? result : Promise.race([result, new Promise<[]>((r) => setTimeout(r, 100, []))]);
      spooled = (await full)[0]?.spooled;
    }
    assert.equal(ingest.state.isDatabaseDown, false);
    held.reject(unavailable());
    await Promise.all(waiting);
  });

  it('lets API requests fill three quarters of the spool, and reserves the rest for callbacks', async (t) => {
    const { ingest, state, spool } = await setup(t, {}, 40_000);
    state.fault = async () => Promise.reject(unavailable());
    let taken = 0;
    const fill = async (take: typeof ingest.ingestRequest) => {
      for (;;) await take([input(`media-${taken++}`)]);
    };
    await assert.rejects(fill(ingest.ingestRequest), DatabaseUnavailableError);
    assert.ok(spool.size.bytes > 29_000 && spool.size.bytes <= 30_000, `${spool.size.bytes} bytes`);
    assert.equal((await ingest.ingestCallback([input('voice')]))[0]?.spooled, true);
    await ingest.storeSecret({ name: 'ticket of a platform', encrypted: 'v1.encrypted-ticket' });
    await ingest.requestKfSync('wx', 'wk1', 'v1.encrypted-token');
    await assert.rejects(fill(ingest.ingestCallback), DatabaseUnavailableError);
    assert.ok(spool.size.bytes > 39_000 && spool.size.bytes <= 40_000, `${spool.size.bytes} bytes`);
  });

  it('rejects with the error of the catalogue where the spool cannot be written either', async (t) => {
    const { ingest, state, spool } = await setup(t);
    t.mock.method(spool, 'append', async () => Promise.reject(new Error('disk')));
    state.fault = async () => Promise.reject(unavailable());
    await assert.rejects(ingest.ingestCallback([input('a')]), DatabaseUnavailableError);
    await assert.rejects(ingest.ingestCallback([input('b')]), DatabaseUnavailableError);
  });
});
