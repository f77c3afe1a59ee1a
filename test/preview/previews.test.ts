/** Previews with a real cache and real converters; the store is a literal, so that a test decides when it responds. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { FailureError, failure } from '../../src/failures.ts';
import { createPreviewCache } from '../../src/preview/cache/preview-cache.ts';
import { CONVERTER_LIMITS } from '../../src/preview/limits.ts';
import { createPreviews, type ObjectReader, type PreviewItem } from '../../src/preview/previews.ts';
import { createConverterPool } from '../../src/preview/process/converter-pool.ts';
import { PreviewRefusedError, PreviewUnavailableError } from '../../src/preview/reasons.ts';
import { createByteBudget } from '../../src/runtime/concurrency/byte-budget.ts';
import { amrOf, frameOf, readWav, repeat } from './samples.ts';

const VOICE = amrOf(repeat(frameOf(7, 32), 100));
const NEVER = new AbortController().signal;
const NO_LOG = { info: () => undefined, warn: () => undefined } as never;

let serial = 0;
function itemOf(file: Buffer, fields: Partial<PreviewItem> = {}): PreviewItem {
  serial++;
  const id = `m_${String(serial).padStart(32, '0')}`;
  return {
    ...{
      id,
      format: 'voice',
      objectKey: `key-${serial}`,
      sizeBytes: file.length,
      sha256: hash('sha256', file),
    },
    ...fields,
  };
}

/** One converter, and a budget of 1 MiB. */
async function setup(t: TestContext, get: ObjectReader['get'], { cacheBytes = 2 ** 24 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'wma-previews-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const pool = createConverterPool({
    ...{ limits: CONVERTER_LIMITS, running: 1, waiting: 1, waitMs: 60_000, idleMs: 60_000 },
  });
  t.after(() => pool.close());
  const budget = createByteBudget(2 ** 20);
  const closing = new AbortController();
  const outcomes: string[] = [];
  const asked: string[] = [];
  const previews = createPreviews({
    store: {
      get: (key, options) => {
        asked.push(key);
        return get(key, options);
      },
    },
    budget,
    cache: createPreviewCache({ folder: join(folder, 'previews'), limitBytes: cacheBytes, log: NO_LOG }),
    pool,
    log: NO_LOG,
    repeatedLog: { write: () => undefined },
    metrics: {
      previews: { inc: ({ outcome }) => void outcomes.push(outcome) },
      previewSeconds: { observe: () => undefined },
    },
    signal: closing.signal,
  });
  return { previews, budget, closing, outcomes, asked };
}

const ok = (...chunks: Buffer[]) => ({ status: 200, body: Readable.from(chunks, { objectMode: false }) });
async function read(preview: Awaited<ReturnType<ReturnType<typeof createPreviews>['get']>>): Promise<Buffer> {
  assert.ok(preview);
  const chunks: Buffer[] = [];
  for await (const chunk of preview.read(0, preview.sizeBytes - 1)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const isBusy = (error: unknown) => error instanceof PreviewUnavailableError && error.why === 'busy';

describe('previews', () => {
  test('are made once, and then read from the cache', async (t) => {
    const { previews, outcomes, asked, budget } = await setup(t, async () => ok(VOICE));
    const item = itemOf(VOICE);
    const first = await previews.get(item, NEVER);
    assert.equal(first?.isFresh, true);
    assert.equal(readWav(await read(first)).seconds, 2);
    const second = await previews.get(item, NEVER);
    assert.equal(second?.isFresh, false);
    assert.equal(readWav(await read(second)).seconds, 2);
    assert.deepEqual([outcomes, asked.length], [['made', 'cached'], 1]);
    assert.equal(budget.freeBytes, budget.totalBytes);
  });

  test('of one item are made once for all who ask at the same time', async (t) => {
    const gate = Promise.withResolvers<void>();
    const { previews, asked } = await setup(t, async () => {
      await gate.promise;
      return ok(VOICE);
    });
    const item = itemOf(VOICE);
    const all = [1, 2, 3].map(() => previews.get(item, NEVER));
    gate.resolve();
    for (const one of all) assert.equal(readWav(await read(await one)).seconds, 2);
    assert.equal(asked.length, 1);
  });

  test('are made anew when the archived file is another one', async (t) => {
    const other = amrOf(repeat(frameOf(7, 32), 200));
    const { previews } = await setup(t, async (key) => ok(key === 'other' ? other : VOICE));
    const item = itemOf(VOICE);
    assert.equal(readWav(await read(await previews.get(item, NEVER))).seconds, 2);
    const redriven = itemOf(other, { id: item.id, objectKey: 'other' });
    assert.equal(readWav(await read(await previews.get(redriven, NEVER))).seconds, 4);
  });

  test('reserve the bytes of the file before they ask for it, and give them back', async (t) => {
    const { previews, budget, asked } = await setup(t, async () => {
      assert.equal(budget.freeBytes, budget.totalBytes - VOICE.length);
      return ok(VOICE);
    });
    const archiving = await budget.reserve(budget.totalBytes, NEVER);
    const waiting = previews.get(itemOf(VOICE), NEVER);
    while (budget.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(asked.length, 0);
    archiving.release();
    assert.equal(readWav(await read(await waiting)).seconds, 2);
    assert.equal(budget.freeBytes, budget.totalBytes);
  });

  test('of a caller who leaves give up the place in the queue and the request to the store', async (t) => {
    const begun = Promise.withResolvers<AbortSignal>();
    const { previews, asked } = await setup(t, (key, { signal }) => {
      if (key !== 'slow') return Promise.resolve(ok(VOICE));
      begun.resolve(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const slow = previews.get(itemOf(VOICE, { objectKey: 'slow' }), first.signal);
    const signal = await begun.promise;
    const queued = previews.get(itemOf(VOICE, { objectKey: 'queued' }), second.signal);
    second.abort(new Error('gone'));
    await assert.rejects(queued, /gone/);
    first.abort(new Error('gone'));
    await assert.rejects(slow, /gone/);
    assert.equal(signal.aborted, true);
    assert.equal(readWav(await read(await previews.get(itemOf(VOICE), NEVER))).seconds, 2);
    assert.equal(asked.includes('queued'), false);
  });

  test('beyond the queue are refused as busy', async (t) => {
    const gate = Promise.withResolvers<void>();
    const { previews, outcomes } = await setup(t, async () => {
      await gate.promise;
      return ok(VOICE);
    });
    const two = [previews.get(itemOf(VOICE), NEVER), previews.get(itemOf(VOICE), NEVER)];
    while (outcomes.length === 0)
      await previews.get(itemOf(VOICE), AbortSignal.timeout(50)).catch((error: unknown) => {
        if (!isBusy(error)) assert.equal((error as Error).name, 'TimeoutError');
      });
    gate.resolve();
    for (const one of two) assert.equal(readWav(await read(await one)).seconds, 2);
    assert.deepEqual(outcomes.toSorted(), ['busy', 'made', 'made']);
  });

  test('pass on what the store says, and that an object is missing', async (t) => {
    const { previews, outcomes } = await setup(t, async (key) => {
      if (key === 'missing') return undefined;
      if (key === 'refused') throw failure('store_refused');
      const cut = Readable.from(
        (async function* () {
          yield VOICE.subarray(0, 100);
          throw new Error('connection reset');
        })(),
      );
      return { status: 200, body: cut };
    });
    const codeOf = (key: string) =>
      previews.get(itemOf(VOICE, { objectKey: key }), NEVER).then(
        (preview) => preview,
        (error: unknown) => (error instanceof FailureError ? error.failure.code : String(error)),
      );
    assert.equal(await codeOf('missing'), undefined);
    assert.equal(await codeOf('refused'), 'store_refused');
    assert.equal(await codeOf('cut'), 'store_unavailable');
    assert.deepEqual(outcomes, []);
  });

  test('that were refused are not converted again', async (t) => {
    const file = Buffer.from('#!AMR\n');
    const { previews, asked } = await setup(t, async () => ok(file));
    const item = itemOf(file);
    for (let count = 0; count < 2; count++)
      await assert.rejects(
        previews.get(item, NEVER),
        (error) => error instanceof PreviewRefusedError && error.reason === 'damaged',
      );
    assert.equal(asked.length, 1);
  });

  test('of an object that is longer than the archived file do not read it to its end', async (t) => {
    let sent = 0;
    const { previews } = await setup(t, async () => {
      const endless = async function* () {
        for (;;) {
          sent++;
          yield Buffer.alloc(65_536, 1);
        }
      };
      return { status: 200, body: Readable.from(endless(), { objectMode: false }) };
    });
    await assert.rejects(
      previews.get(itemOf(VOICE), NEVER),
      (error) => error instanceof PreviewRefusedError && error.reason === 'not_as_archived',
    );
    assert.ok(sent < 10);
  });

  test('without a cache are made for each call and sent from memory', async (t) => {
    const { previews, outcomes } = await setup(t, async () => ok(VOICE), { cacheBytes: 0 });
    const item = itemOf(VOICE);
    for (let count = 0; count < 2; count++)
      assert.equal(readWav(await read(await previews.get(item, NEVER))).seconds, 2);
    assert.deepEqual(outcomes, ['made', 'made']);
  });

  test('without a cache are refused as busy while slow clients hold too many of them', async (t) => {
    const large = amrOf(repeat(frameOf(15, 1), 30_000));
    const { previews } = await setup(t, async () => ok(large), { cacheBytes: 0 });
    const held = [];
    for (let count = 0; count < 7; count++) held.push(await previews.get(itemOf(large), NEVER));
    await assert.rejects(previews.get(itemOf(large), NEVER), isBusy);
    for (const preview of held) await preview?.close();
    assert.equal(readWav(await read(await previews.get(itemOf(large), NEVER))).seconds, 600);
  });

  test('that wait are given up when the program closes', async (t) => {
    const { previews, closing } = await setup(
      t,
      (_key, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const two = [previews.get(itemOf(VOICE), NEVER), previews.get(itemOf(VOICE), NEVER)];
    for (const one of two) one.catch(() => undefined);
    closing.abort(new Error('closing'));
    for (const one of two) await assert.rejects(one, /closing/);
  });
});
