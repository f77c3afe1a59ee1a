import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import type { JobAttempt, StoredObject } from '../../../src/catalogue/queue/outcomes.ts';
import { uploadMemoryBytes } from '../../../src/config/upload-parts.ts';
import { FailureError, failure } from '../../../src/failures.ts';
import { idOf, type Reference } from '../../../src/media.ts';
import { type ArchiverDeps, createArchiver } from '../../../src/pipeline/archive/archive.ts';
import {
  composeMiddleware,
  createJobMiddleware,
  type JobMiddlewareDeps,
} from '../../../src/pipeline/archive/job-middleware.ts';
import type { Admission } from '../../../src/pipeline/dispatch/account-hold.ts';
import { createAccountLimiter } from '../../../src/pipeline/dispatch/account-limiter.ts';
import { createByteBudget } from '../../../src/runtime/concurrency/byte-budget.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const BYTES = Buffer.from('a picture');
const never = new AbortController().signal;
const reference = { account: 'wx1', mediaId: 'media-1', kind: 'image', sentAt: NOW } as const;
const ID = idOf('wx1', 'media-1');
const JOB = { jobId: `${ID}-3`, id: ID, generation: 3, reference, attempt: 1 };
const account = { account: 'wx1', name: 'shop', concurrency: 1 } as never;
const token = (value: string) => ({ value, fingerprint: value, issuedAt: NOW, expiresAt: NOW });

async function* flow(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const body = (more: object = {}) => ({
  source: 'media_get' as const,
  sniffed: { contentType: 'image/jpeg', extension: 'jpg' },
  body: flow(BYTES),
  lengthBytes: BYTES.length,
  endIsProven: true,
  discard: () => undefined,
  ...more,
});

interface Changes {
  reference?: object;
  admission?: Admission;
  openLink?: (url: string) => Promise<ReturnType<typeof body>>;
  outcomes?: Partial<ArchiverDeps['catalogue']['outcomes']>;
  uploads?: Partial<ArchiverDeps['catalogue']['uploads']>;
  media?: ArchiverDeps['catalogue']['media'];
  mediaErasure?: ArchiverDeps['catalogue']['mediaErasure'];
  ping?: JobMiddlewareDeps['catalogue']['ping'];
  open?: (token: string) => Promise<ReturnType<typeof body>>;
  reportBad?: () => Promise<{ retryAfterMs: number }>;
  put?: ArchiverDeps['store']['put'];
  abortMultipart?: ArchiverDeps['store']['abortMultipart'];
  /** Of the job; never aborted unless told. */
  signal?: AbortSignal;
  /** Told of the signal that a download is given. */
  onSignal?: (signal: AbortSignal) => void;
}

/** An archiver whose calls succeed, except for what a test changes. */
function setup(changes: Changes = {}) {
  const calls: unknown[][] = [];
  const budget = createByteBudget(64 * 2 ** 20);
  const accepted: Reference[] = [];
  const archived: { of: JobAttempt; stored: StoredObject }[] = [];
  let tokens = 0;
  const deps: ArchiverDeps & JobMiddlewareDeps = {
    accounts: createAccounts([account]),
    dispatcher: { jobFinished: () => undefined },
    storeHold: { runUnlessHeld: (_job, signal, run) => run(signal) },
    storedObjects: { adopt: async () => false },
    tokens: {
      get: async () => token(`token${++tokens}`),
      reportRefused: changes.reportBad ?? (async () => ({ retryAfterMs: 0 })),
      reportAccepted: () => void calls.push(['good token']),
    },
    downloader: {
      open: async (request, signal) => {
        changes.onSignal?.(signal);
        calls.push(['open', request.token]);
        return await (changes.open?.(request.token) ?? body());
      },
      openLink: async ({ url, source }, signal) => {
        changes.onSignal?.(signal);
        calls.push(['link', url, source]);
        return { ...(await (changes.openLink?.(url) ?? body())), source };
      },
      close: async () => undefined,
    },
    store: {
      bucket: 'b',
      uploadMemoryBytes,
      put:
        changes.put ??
        (async ({ key, expect, signal: _, ...object }) => {
          const hash = createHash('sha256');
          for await (const chunk of object.body) hash.update(chunk);
          calls.push(['put', key, expect]);
          return { sizeBytes: BYTES.length, sha256: hash.digest('hex'), multipart: false };
        }),
      delete: async (key) => void calls.push(['remove', key]),
      abortMultipart:
        changes.abortMultipart ?? (async (key, uploadId) => void calls.push(['abort', key, uploadId])),
    },
    catalogue: {
      media: changes.media ?? { get: async () => ({ id: ID, status: 'pending' }) as never },
      mediaErasure: changes.mediaErasure ?? { reopen: async () => false },
      outcomes: {
        reserve: async () => ({}),
        markFailed: async (_, why, next, spent) => {
          calls.push(['failed', why.code, next, spent]);
          return true;
        },
        markArchived: async (of, stored) => {
          archived.push({ of, stored });
          return true;
        },
        ...changes.outcomes,
      },
      uploads: {
        record: async () => true,
        clear: async (_, uploadId) => void calls.push(['clear', uploadId]),
        ...changes.uploads,
      },
      ping: changes.ping ?? (async () => void calls.push(['ping'])),
    },
    budget,
    limiter: createAccountLimiter(),
    holds: {
      admit: async () => changes.admission ?? { to: 'proceed', isProbe: false },
      invalidate: () => void calls.push(['holds are read again']),
    },
    accept: async (inputs) => {
      accepted.push(...inputs);
      return [];
    },
    handleFailure: async (_, __, error) => ({
      action: 'retry',
      delayMs: 1,
      failure: (error as FailureError).failure,
    }),
    clock: { now: () => NOW },
    metrics: createMetrics(),
    log: { info: () => undefined, warn: () => undefined },
    prefix: 'p/',
    lifetimeMs: 72 * 3_600_000,
    archivedLog: { add: () => undefined },
    pictureRetryMs: 5_000,
  };
  const archive = composeMiddleware(createJobMiddleware(deps), createArchiver(deps));
  return {
    archive: (job: Partial<typeof JOB> | { generation: undefined } = {}) =>
      archive(
        { ...JOB, reference: { ...reference, ...changes.reference }, ...job } as never,
        changes.signal ?? never,
      ),
    calls,
    accepted,
    archived,
    budget,
    opened: () => calls.filter(([name]) => name === 'open').map(([, value]) => value),
  };
}

const KEY = `p/wx1/2026/05/01/${ID}.jpg`;
const away = async () => {
  throw new DatabaseUnavailableError('away');
};

describe('archive', () => {
  it('passes the signal of its caller to the download, to the link of a picture and to the store', async () => {
    const hold = { account: 'wx1', until: NOW } as never;
    for (const admission of [
      { to: 'proceed', isProbe: false },
      { to: 'pictureOnly', hold },
    ] as const) {
      const controller = new AbortController();
      const given: AbortSignal[] = [];
      const { archive } = setup({
        admission,
        reference: { picUrl: 'http://mmbiz.qpic.cn/x/0' },
        signal: controller.signal,
        onSignal: (signal) => given.push(signal),
        put: async ({ signal }) => {
          given.push(signal);
          controller.abort(new Error('closing'));
          throw signal.reason;
        },
      });
      await assert.rejects(archive(), /closing/);
      assert.deepEqual(
        given.map(({ aborted }) => aborted),
        [true, true],
        admission.to,
      );
    }
  });

  it('discards each body of WeChat, also after a failure', async () => {
    const cases: [string, Changes][] = [
      ['stored', {}],
      ['refused by the store', { put: async () => Promise.reject(failure('store_refused')) }],
      ['of another generation', { outcomes: { reserve: async () => undefined } }],
      ['fetched twice', { open: async () => released({ lengthBytes: undefined, endIsProven: false }) }],
    ];
    let opened = 0;
    let discarded = 0;
    const released = (more: object = {}) => {
      opened++;
      return body({ ...more, discard: () => discarded++ }) as ReturnType<typeof body>;
    };
    for (const [name, changes] of cases) {
      opened = 0;
      discarded = 0;
      const { archive, budget } = setup({ open: async () => released(), ...changes });
      await archive();
      // A body read to its end has let go of its connection itself.
      assert.ok(discarded >= 1 && discarded >= opened - 1, `${name}: ${discarded} of ${opened}`);
      (await budget.reserve(64 * 2 ** 20, AbortSignal.timeout(1_000))).release();
    }
  });

  it('reserves memory before the request and until the store has the bytes', async () => {
    const MIB = 2 ** 20;
    const unknown = { lengthBytes: undefined, endIsProven: false };
    const cases = [
      ['a picture', { lengthBytes: BYTES.length }, [24 * MIB], BYTES.length],
      ['a film', { lengthBytes: 20 * MIB }, [24 * MIB], 24 * MIB],
      ['fetched twice', unknown, [24 * MIB, 24 * MIB], 24 * MIB],
    ] as const;
    for (const [name, length, whenAsked, whileHeld] of cases) {
      const asked: number[] = [];
      const read: number[] = [];
      const taken = () => bench.budget.totalBytes - bench.budget.freeBytes;
      const bench = setup({
        open: async () => {
          asked.push(taken());
          async function* observed() {
            yield BYTES;
            read.push(taken());
          }
          return body({ ...length, body: observed() }) as ReturnType<typeof body>;
        },
        put: async (object) => {
          for await (const _ of object.body);
          read.push(taken());
          return { sizeBytes: BYTES.length, sha256: 'f', multipart: false };
        },
      });
      await bench.archive();
      assert.deepEqual(asked, whenAsked, name);
      assert.equal(read.length, whenAsked.length + 1);
      for (const held of read) assert.ok(held >= whileHeld, `${name}: ${held} bytes`);
      assert.equal(taken(), 0, 'nothing stays reserved');
    }
  });

  it('stores the file under its key and records it in the row', async () => {
    const { archive, archived, budget, calls } = setup();
    assert.deepEqual(await archive(), { action: 'finish', result: 'archived' });
    assert.deepEqual(calls.at(-1), ['put', KEY, { lengthBytes: 9 }]);
    assert.equal(archived[0]?.stored.sha256, createHash('sha256').update(BYTES).digest('hex'));
    assert.equal(archived[0]?.stored.lengthVerified, true);
    assert.equal(budget.freeBytes, budget.totalBytes, 'nothing stays reserved');
  });

  for (const [contentType, contentDisposition] of [
    ['image/jpeg', 'inline'],
    ['audio/amr', 'inline'],
    ['video/mp4', 'inline'],
    ['image/svg+xml', 'attachment'],
    ['text/html', 'attachment'],
    ['application/xml', 'attachment'],
    ['application/pdf', 'attachment'],
    ['application/octet-stream', 'attachment'],
  ] as const) {
    it(`stores a file of the type ${contentType} as ${contentDisposition}`, async () => {
      const stored: unknown[] = [];
      const { archive } = setup({
        open: async () => body({ sniffed: { contentType, extension: 'x' } }),
        put: async ({ contentType: type, contentDisposition: how }) => {
          stored.push(type, how);
          return { sizeBytes: BYTES.length, sha256: '', multipart: false };
        },
      });
      await archive();
      assert.deepEqual(stored, [contentType, contentDisposition]);
    });
  }

  it('downloads a body whose end proves nothing twice, and stores it only where both are the same', async () => {
    const { archive, archived, opened, calls } = setup({
      open: async () => body({ lengthBytes: undefined, endIsProven: false }) as never,
    });
    await archive();
    assert.equal(opened().length, 2);
    const sha256 = createHash('sha256').update(BYTES).digest('hex');
    assert.deepEqual(calls.at(-1), ['put', KEY, { sha256, sizeBytes: 9 }]);
    assert.equal(archived[0]?.stored.lengthVerified, false);
  });

  it('downloads a body of unknown length once where its end proves that it is whole', async () => {
    const { archive, archived, opened, calls } = setup({
      open: async () => body({ lengthBytes: undefined }) as never,
    });
    await archive();
    assert.equal(opened().length, 1);
    assert.deepEqual(calls.at(-1), ['put', KEY, undefined]);
    assert.equal(archived[0]?.stored.lengthVerified, true);
  });

  it('continues with a better token in the same attempt, once', async () => {
    const refuse = async (value: string) => {
      if (value === 'token1') throw new FailureError({ code: 'x', class: 'token', errcode: 40001 });
      return body();
    };
    const healed = setup({ open: refuse });
    assert.deepEqual(await healed.archive(), { action: 'finish', result: 'archived' });
    assert.deepEqual(healed.opened(), ['token1', 'token2']);
    const hopeless = setup({
      open: async () => {
        throw new FailureError({ code: 'x', class: 'token', errcode: 40001 });
      },
    });
    assert.equal((await hopeless.archive()).action, 'retry');
    assert.deepEqual(hopeless.opened(), ['token1', 'token2']);
  });

  it('stores nothing for a row of another generation', async () => {
    const { archive, calls, budget } = setup({ outcomes: { reserve: async () => undefined } });
    assert.deepEqual(await archive(), { action: 'finish', result: 'superseded', removeOnComplete: true });
    assert.ok(!calls.some(([name]) => name === 'put'));
    assert.equal(budget.freeBytes, budget.totalBytes);
  });

  it('aborts the upload that an earlier attempt left open, and clears it from the row only then', async () => {
    const left = { leftUploadId: 'u1', leftObjectKey: 'k1' };
    const { archive, calls } = setup({ outcomes: { reserve: async () => left } });
    await archive();
    assert.deepEqual(calls.slice(0, -1), [
      ['open', 'token1'],
      ['good token'],
      ['abort', 'k1', 'u1'],
      ['clear', 'u1'],
    ]);
    assert.deepEqual(calls.at(-1)?.slice(0, 2), ['put', KEY]);
  });

  it('begins no upload that the row of its generation does not record', async () => {
    for (const isOurs of [true, false]) {
      let told: unknown;
      const { archive, archived } = setup({
        uploads: {
          record: async (_, uploadId) => {
            told = uploadId;
            return isOurs;
          },
        },
        put: async (object) => {
          await object.onMultipart?.('u2');
          return { sizeBytes: BYTES.length, sha256: 'f', multipart: true };
        },
      });
      await archive();
      assert.equal(told, 'u2');
      assert.equal(archived.length, isOurs ? 1 : 0);
    }
  });

  it('clears an upload that it has no right to abort, and keeps it in the row while the store is unavailable', async () => {
    const left = { leftUploadId: 'u1', leftObjectKey: 'k1' };
    for (const [code, result, done] of [
      ['store_refused', 'finish', ['clear', 'put']],
      ['store_unavailable', 'retry', []],
      ['store_bucket_missing', 'retry', []],
    ] as const) {
      const { archive, calls } = setup({
        outcomes: { reserve: async () => left },
        abortMultipart: () => Promise.reject(failure(code)),
      });
      assert.equal((await archive()).action, result, code);
      assert.deepEqual(
        calls.map(([name]) => name).filter((name) => name === 'clear' || name === 'put'),
        done,
        code,
      );
    }
  });

  it('deletes its object where the row names another or is erased, and keeps one that the row names', async () => {
    const lose = async (row: { status: string; objectKey?: string } | undefined) => {
      const told: unknown[] = [];
      const { archive, calls } = setup({
        outcomes: { markArchived: async () => false },
        media: { get: async () => row as never },
        mediaErasure: {
          reopen: async (id, at) => {
            told.push([id, at]);
            return row?.status === 'erased';
          },
        },
      });
      assert.deepEqual(await archive(), { action: 'finish', result: 'superseded', removeOnComplete: true });
      assert.deepEqual(told, [[ID, { bucket: 'b', key: KEY }]], 'the erasure records it first');
      return calls.some(([name, key]) => name === 'remove' && key === KEY);
    };
    assert.equal(await lose({ status: 'erased' }), true);
    assert.equal(await lose({ status: 'erased', objectKey: KEY }), true);
    assert.equal(await lose({ status: 'archived', objectKey: `${KEY}-pic` }), true);
    assert.equal(await lose(undefined), true);
    assert.equal(await lose({ status: 'archived', objectKey: KEY }), false);
    assert.equal(await lose({ status: 'pending', objectKey: KEY }), false);
  });

  it('gives a foreign job its row, and nothing more', async () => {
    const { archive, accepted, opened } = setup();
    const foreign = { generation: undefined, reference: { ...reference, account: 'shop' } };
    assert.deepEqual(await archive(foreign), { action: 'finish', result: 'accepted' });
    assert.deepEqual(accepted, [reference], 'with the identity of the account that is named');
    assert.deepEqual(opened(), []);
  });

  it('fails a foreign job of an unknown account, which has no row that could wait', async () => {
    const { archive } = setup();
    const unknown = { generation: undefined, reference: { ...reference, account: 'wx9' } };
    const result = await archive(unknown as never);
    assert.equal(result.action, 'fail');
  });

  it('requeues a job while the catalogue is unavailable, and calls WeChat only when it is available again', async () => {
    let isAway = true;
    const { archive, opened } = setup({
      outcomes: { reserve: async () => (isAway ? away() : {}) },
      ping: async () => (isAway ? away() : undefined),
    });
    for (let times = 0; times < 3; times++) assert.equal((await archive()).action, 'requeue');
    assert.equal(opened().length, 1, 'calls are counted against a quota');
    isAway = false;
    assert.deepEqual(await archive(), { action: 'finish', result: 'archived' });
  });

  it('makes no call for a job that waited for the place of one that met the outage', async () => {
    const reached = Promise.withResolvers<void>();
    const held = Promise.withResolvers<never>();
    const reserve = () => {
      reached.resolve();
      return held.promise;
    };
    const { archive, opened } = setup({ outcomes: { reserve }, ping: away });
    const first = archive();
    await reached.promise;
    const second = archive();
    held.reject(new DatabaseUnavailableError('away'));
    const back = { action: 'requeue', delayMs: 2_000 };
    assert.deepEqual(await Promise.all([first, second]), [back, back]);
    assert.equal(opened().length, 1);
  });

  it('requeues a job whose account has no free place', async () => {
    const full = Promise.withResolvers<never>();
    const { archive } = setup({ open: () => full.promise });
    const first = archive();
    assert.deepEqual(await archive(), { action: 'requeue', delayMs: 500 });
    full.reject(failure('network'));
    assert.equal((await first).action, 'retry');
  });

  const gone = async () => {
    throw new FailureError({ code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 });
  };
  const PIC_URL = 'http://mmbiz.qpic.cn/mmbiz_jpg/x/0';
  const PIC_KEY = KEY.replace('.jpg', '-pic.jpg');

  it('stores the picture behind picUrl where WeChat refuses its copy for good, and records that source', async () => {
    const { archive, archived, calls } = setup({ reference: { picUrl: PIC_URL }, open: gone });
    assert.deepEqual(await archive(), { action: 'finish', result: 'archived' });
    assert.deepEqual(calls.at(-1)?.slice(0, 2), ['put', PIC_KEY]);
    assert.equal(archived[0]?.stored.source, 'pic_url');
  });

  it('never prefers picUrl: not while WeChat may still serve the item, and not for other kinds', async () => {
    const busy = async () => {
      throw failure('network');
    };
    for (const changes of [
      { reference: { picUrl: PIC_URL }, open: busy },
      { reference: { picUrl: PIC_URL, kind: 'thumb' }, open: gone },
      { reference: { picUrl: PIC_URL } },
    ]) {
      const { archive, calls } = setup(changes);
      await archive();
      assert.ok(!calls.some(([name]) => name === 'link'));
    }
  });

  it('keeps the failure of the item where picUrl fails too', async () => {
    const openLink = async () => {
      throw failure('http_status', 'HTTP 404');
    };
    const { archive } = setup({ reference: { picUrl: PIC_URL }, open: gone, openLink });
    const result = await archive();
    assert.equal(result.action === 'retry' && result.failure.code, 'invalid_media_id');
  });

  it('makes no call for an item that was requeued with its account', async () => {
    const { archive, opened } = setup({ admission: { to: 'requeued' } });
    assert.deepEqual(await archive(), { action: 'finish', result: 'later' });
    assert.deepEqual(opened(), []);
  });

  it('uses picUrl alone for a picture that the hold would outlive', async () => {
    const reason = { code: 'day_quota', class: 'day_quota', errcode: 45009 } as const;
    const admission = { to: 'pictureOnly', hold: { account: 'wx1', until: NOW, reason } } as const;
    const healed = setup({ reference: { picUrl: PIC_URL }, admission });
    assert.deepEqual(await healed.archive(), { action: 'finish', result: 'archived' });
    assert.deepEqual(healed.opened(), []);
    const failing = setup({ reference: { picUrl: PIC_URL }, admission, openLink: gone });
    assert.deepEqual(await failing.archive(), { action: 'finish', result: 'later' });
    const at = new Date(NOW.getTime() + 5_000);
    const next = { to: 'later', at, reason: 'accountHeld' };
    assert.deepEqual(failing.calls.at(-1), ['failed', 'day_quota', next, false]);
  });

  it('reads the holds again when its item was the probe', async () => {
    const { archive, calls } = setup({ admission: { to: 'proceed', isProbe: true } });
    await archive();
    assert.deepEqual(calls.at(-1), ['holds are read again']);
  });
});
