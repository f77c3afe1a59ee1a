/** POST /v1/exports: the ZIP, its manifest, who gets what, and what happens when a part fails in the middle. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import type { MediaFilter } from '../../../../src/catalogue/media/filter.ts';
import { failure } from '../../../../src/failures.ts';
import {
  createExporter,
  EXPORT_LIMITS,
  ExportBusyError,
  type ExporterDeps,
  type ExportLimits,
  ExportTooLargeError,
} from '../../../../src/pipeline/export/exporter.ts';
import { selectionSchema } from '../../../../src/server/routes/media/selection-schema.ts';
import { openZipFolder, readAll, type ZipFolder } from '../../../pipeline/export/zip.ts';
import { eventually } from '../../../queue/handled.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
const LARGE = randomBytes(3_000_000);
const SENT = new Date('2026-05-01T12:00:00Z');

let serial = 0;
/** A label that only the items of one test have. */
const newLabels = () => ({ test: `export-${serial++}` });

describe('an export', () => {
  let s: TestServer;
  let zips: ZipFolder;
  before(async () => {
    [s, zips] = await Promise.all([openTestServer(), openZipFolder()]);
  });
  after(async () => {
    await s.close();
    await zips.remove();
  });

  const archived = (fields: object, content: Partial<typeof JPEG> & { fileName?: string } = {}) =>
    s.createArchived(reference(fields), { ...JPEG, ...content });
  const ask = (json: unknown, key: keyof typeof KEYS = 'read') => s.call('/v1/exports', { json, key });
  const download = async (filter: object, key: keyof typeof KEYS = 'read') => {
    const response = await ask({ filter }, key);
    assert.equal(response.status, 200);
    return await zips.write(Buffer.from(await response.arrayBuffer()));
  };
  /** The lines of the manifest as objects. */
  const manifestOf = async (file: string) => {
    const text = (await zips.read(file, 'manifest.csv')).toString();
    const [head = '', ...lines] = text
      .replace(/^\ufeff/, '')
      .trimEnd()
      .split('\r\n');
    const names = head.split(',');
    return lines.map((line) => {
      const cells = line.slice(1, -1).split('","');
      return Object.fromEntries(names.map((name, at) => [name, cells[at] ?? '']));
    });
  };
  const keyOf = async (id: string) => (await s.context.catalogue.media.get(id))?.objectKey as string;
  const exporterWith = (changes: Partial<ExporterDeps>, limits: Partial<ExportLimits> = {}) =>
    createExporter({ ...s.context, ...changes }, { ...EXPORT_LIMITS, ...limits });
  const start = (
    exporter: ReturnType<typeof createExporter>,
    labels: Record<string, string>,
    actor = 'a key',
  ) => {
    const filter: MediaFilter = { labels };
    return exporter.start({ filter, actor, keptFilter: {} });
  };
  const endOf = (stream: AsyncIterable<Buffer>) =>
    readAll(stream).then(
      () => 'whole',
      (error: Error) => error.message,
    );

  it('is a ZIP of the files with a manifest, as other programs read it', async () => {
    const labels = newLabels();
    const given = { labels, sentAt: SENT };
    const one = await archived(given, { fileName: '=cmd|报告.jpg' });
    const large = await archived({ ...given, kind: 'file' }, { body: LARGE, extension: 'pdf' });
    const theirs = await archived({ ...given, account: SAFE.account });
    const response = await ask({ filter: { label: labels }, reason: 'asked' });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/zip');
    assert.match(
      response.headers.get('content-disposition') ?? '',
      /^attachment; filename="wma-\d{8}T\d{6}Z\.zip"$/,
    );
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    const file = await zips.write(Buffer.from(await response.arrayBuffer()));
    assert.equal(await zips.isValid(file), true);
    const paths = [
      `${PLAIN.account}/2026-05-01/${one}.jpg`,
      `${PLAIN.account}/2026-05-01/${large}.pdf`,
      `${SAFE.account}/2026-05-01/${theirs}.jpg`,
    ];
    const entries = await zips.entries(file);
    assert.deepEqual(entries.map(({ path }) => path).toSorted(), [...paths, 'manifest.csv'].toSorted());
    assert.deepEqual(await zips.read(file, paths[0] as string), JPEG.body);
    assert.deepEqual(await zips.read(file, paths[1] as string), LARGE);
    const lines = await manifestOf(file);
    assert.deepEqual(lines.map(({ path }) => path).toSorted(), paths.toSorted());
    const line = lines.find(({ id }) => id === one);
    assert.deepEqual(
      [line?.account, line?.kind, line?.status, line?.sentAt, line?.sizeBytes, line?.fileName, line?.failure],
      [PLAIN.account, 'image', 'archived', SENT.toISOString(), '9', "'=cmd|报告.jpg", ''],
    );
    const log = await s.context.database.query<{ actor: string; reason: string }>(
      `SELECT actor, reason FROM wma.audit_log WHERE action = 'export' ORDER BY seq DESC LIMIT 1`,
    );
    assert.deepEqual(log, [
      {
        actor: 'key-1',
        reason: `asked (3 items, ${2 * JPEG.body.length + LARGE.length} bytes, filter {"notKept":["label"]})`,
      },
    ]);
  });

  it('lists what has no file or could not be read, with the reason', async () => {
    const labels = newLabels();
    const fine = await archived({ labels });
    const [missing, other, changed] = [
      await archived({ labels }),
      await archived({ labels }),
      await archived({ labels }, { body: Buffer.from('nine byte') }),
    ];
    const largeMissing = await archived({ labels }, { body: LARGE });
    const dead = await s.createDead(reference({ labels }));
    const pending = reference({ labels });
    await s.context.accept([pending]);
    const signal = AbortSignal.timeout(10_000);
    await s.context.store.delete(await keyOf(missing), signal);
    await s.context.store.delete(await keyOf(largeMissing), signal);
    await s.context.database.query(`UPDATE wma.media SET bucket = 'elsewhere' WHERE id = $1`, [other]);
    await s.context.database.query(`UPDATE wma.media SET sha256 = $2 WHERE id = $1`, [
      changed,
      '0'.repeat(64),
    ]);
    const file = await download({ label: labels });
    assert.equal(await zips.isValid(file), true);
    assert.equal((await zips.entries(file)).length, 2);
    const lines = await manifestOf(file);
    const why = new Map(lines.map(({ id, failure }) => [id, failure]));
    assert.equal(lines.length, 7);
    assert.equal(why.get(fine), '');
    assert.equal(why.get(missing), 'the object is no longer in the bucket');
    assert.equal(why.get(largeMissing), 'the object is no longer in the bucket');
    assert.equal(why.get(other), 'in another bucket: elsewhere');
    assert.equal(why.get(changed), 'the object has another sha256 than the catalogue');
    assert.equal(why.get(dead), 'not archived: dead (too_large)');
    assert.ok([...why.values()].includes('not archived: pending'));
    assert.ok(lines.filter(({ failure }) => failure).every(({ path }) => path === ''));
  });

  it('has only the files of the accounts of its key', async () => {
    const labels = newLabels();
    await archived({ labels });
    const theirs = await archived({ labels, account: SAFE.account });
    const file = await download({ label: labels }, 'schoolRead');
    assert.deepEqual(
      (await manifestOf(file)).map(({ id }) => id),
      [theirs],
    );
    assert.equal((await ask({ filter: { account: 'shop' } }, 'schoolRead')).status, 403);
    assert.equal((await s.call('/v1/exports', { json: { filter: {} } })).status, 401);
    const none = await download({ label: newLabels() });
    assert.deepEqual([await zips.isValid(none), await manifestOf(none)], [true, []]);
  });

  it('is counted by a dry run, and refused for filters that mean nothing', async () => {
    const labels = newLabels();
    await archived({ labels });
    await s.createDead(reference({ labels }));
    const counted = await s.json<{ matched: number; bytes: number }>('/v1/exports', {
      json: { filter: { label: labels }, dryRun: true },
      key: 'read',
    });
    selectionSchema.parse(counted);
    assert.deepEqual([counted.matched, counted.bytes], [2, JPEG.body.length]);
    const wrong: [unknown, string][] = [
      [{}, 'filter'],
      [{ filter: { errcode: 40007 } }, 'filter.errcode'],
      [{ filter: { failedTo: '2026-05-01T00:00:00Z' } }, 'filter.failedTo'],
      [{ filter: { expiresFrom: '2026-05-01T00:00:00Z' } }, 'filter.expiresFrom'],
      [{ filter: { expiresBefore: '2026-05-01T00:00:00Z' } }, 'filter.expiresBefore'],
      [{ filter: { status: ['dead'] } }, 'filter.status.0'],
      [{ filter: { label: { a: '\0' } } }, 'filter.label.a'],
      [{ filter: { kind: '../' } }, 'filter.kind'],
      [{ filter: { openId: 'o-named' }, reason: 'of o-named' }, 'reason'],
      [{ filter: { q: '票' } }, 'filter.q'],
      [{ filter: { openid: 'o' } }, 'filter.openid'],
      [{ filter: {}, all: true }, 'all'],
    ];
    for (const [json, field] of wrong) {
      const problem = await s.json<{ errors: { field: string }[] }>(
        '/v1/exports',
        { json, key: 'read' },
        400,
      );
      assert.equal(problem.errors[0]?.field, field, JSON.stringify(json));
    }
  });

  it('is one at a time for a key, until it ends or its client leaves', async () => {
    const labels = newLabels();
    for (let n = 0; n < 4; n++) await archived({ labels }, { body: LARGE });
    const leaving = new AbortController();
    const first = await fetch(`${s.url}/v1/exports`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEYS.read}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filter: { label: labels } }),
      signal: leaving.signal,
    });
    assert.equal(first.status, 200);
    const second = await ask({ filter: { label: labels } });
    const problem = (await second.json()) as { code: string; detail: string };
    assert.deepEqual([second.status, problem.code], [429, 'export_running']);
    assert.match(problem.detail, /this key/);
    assert.equal(second.headers.get('retry-after'), '30');
    const other = await download({ label: newLabels() }, 'write');
    assert.equal(await zips.isValid(other), true, 'another key is not concerned');
    leaving.abort();
    await eventually('the place is free', async () => {
      const response = await ask({ filter: { label: newLabels() } });
      await response.arrayBuffer();
      return response.status === 200;
    });
  });

  it('breaks off when the store fails in the middle, and is no ZIP then', async () => {
    const labels = newLabels();
    const first = await archived({ labels, sentAt: SENT }, { body: LARGE });
    const second = await archived({ labels, sentAt: new Date(SENT.getTime() - 1) }, { body: LARGE });
    const key = await keyOf(second);
    const { get } = s.context.store;
    const store = {
      ...s.context.store,
      get: (async (asked, options) => {
        if (asked !== key) return await get(asked, options);
        throw failure('store_unavailable', 'it is gone');
      }) as typeof get,
    };
    const { stream } = await start(exporterWith({ store }), labels);
    const chunks: Buffer[] = [];
    await assert.rejects(async () => {
      for await (const chunk of stream) chunks.push(chunk as Buffer);
    }, /it is gone/);
    const bytes = Buffer.concat(chunks);
    assert.ok(bytes.includes(Buffer.from(`${first}.jpg`)), 'the first file was sent');
    assert.equal(await zips.isValid(await zips.write(bytes)), false);
  });

  it('continues an object whose body breaks off, and gives up when it breaks again and again', async () => {
    const labels = newLabels();
    const id = await archived({ labels }, { body: LARGE });
    const { get } = s.context.store;
    let breaks = 2;
    const ranges: (string | undefined)[] = [];
    const store = {
      ...s.context.store,
      get: (async (key, options) => {
        ranges.push(options.range);
        const object = await get(key, options);
        if (!object || breaks-- <= 0) return object;
        const { body } = object;
        async function* half() {
          let left = 500_000;
          for await (const chunk of body as AsyncIterable<Buffer>) {
            if (chunk.byteLength > left) break;
            left -= chunk.byteLength;
            yield chunk;
          }
          throw new Error('the connection broke');
        }
        return { ...object, body: Readable.from(half(), { objectMode: false }) };
      }) as typeof get,
    };
    const { stream } = await start(exporterWith({ store }), labels);
    const file = await zips.write(await readAll(stream));
    assert.equal(await zips.isValid(file), true);
    const [line] = await manifestOf(file);
    assert.deepEqual([line?.id, line?.failure], [id, '']);
    assert.deepEqual(await zips.read(file, line?.path as string), LARGE);
    assert.deepEqual(
      ranges.map((range) => /^bytes=[1-9]\d*-$/.test(range ?? '')),
      [false, true, true],
    );
    breaks = Number.POSITIVE_INFINITY;
    assert.match(await endOf((await start(exporterWith({ store }), labels)).stream), /the connection broke/);
  });

  it('leaves out what the store refuses, and what is erased while it runs', async () => {
    const labels = newLabels();
    const at = (ms: number) => new Date(SENT.getTime() - ms);
    const first = await archived({ labels, sentAt: at(0) });
    const refused = await archived({ labels, sentAt: at(1) });
    const erased = await archived({ labels, sentAt: at(2), openId: 'o-erased-meanwhile' });
    const refusedKey = await keyOf(refused);
    const { get } = s.context.store;
    const store = {
      ...s.context.store,
      get: (async (key, options) => {
        if (key === refusedKey) throw failure('store_refused', 'AccessDenied');
        return await get(key, options);
      }) as typeof get,
    };
    const { media } = s.context.catalogue;
    const catalogue = {
      ...s.context.catalogue,
      media: {
        ...media,
        // After the page was read: the row in hand still says archived.
        list: (async (...args) => {
          const page = await media.list(...args);
          await s.call(`/v1/media/${erased}`, { method: 'DELETE', key: 'admin' });
          return page;
        }) as typeof media.list,
      },
    };
    const { stream } = await start(exporterWith({ store, catalogue }), labels);
    const file = await zips.write(await readAll(stream));
    assert.equal(await zips.isValid(file), true);
    const lines = await manifestOf(file);
    assert.deepEqual(
      lines.map(({ id, failure }) => [id, failure]),
      [
        [first, ''],
        [refused, 'the storage refuses it: store_refused'],
        [erased, 'erased during the export'],
      ],
    );
    assert.deepEqual([lines[2]?.sentAt, lines[2]?.kind, lines[2]?.sha256], ['', '', '']);
  });

  it('ends when the server shuts down, when the client reads nothing, and when it takes too long', async () => {
    const labels = newLabels();
    for (let n = 0; n < 4; n++) await archived({ labels }, { body: LARGE });
    const closing = new AbortController();
    const shutdown = { signal: closing.signal };
    const ended = await start(exporterWith({ shutdown }), labels);
    closing.abort(new Error('closing: SIGTERM'));
    assert.match(await endOf(ended.stream), /closing: SIGTERM|aborted/);
    await assert.rejects(start(exporterWith({ shutdown }), labels), /SIGTERM/);

    const stalled = exporterWith({}, { stallMs: 20, atOnce: 1 });
    const unread = await start(stalled, labels);
    await new Promise((resolve) => unread.stream.once('close', resolve).on('error', () => undefined));
    await eventually('the place is free', async () => {
      const next = await start(stalled, newLabels()).catch(() => undefined);
      next?.stream.on('error', () => undefined).resume();
      return next !== undefined;
    });
    const late = await start(exporterWith({}, { totalMs: 1 }), labels);
    assert.notEqual(await endOf(late.stream), 'whole');
  });

  it('is refused beyond the limits of items, bytes and places', async () => {
    const labels = newLabels();
    await archived({ labels }, { body: LARGE });
    await archived({ labels });
    await assert.rejects(start(exporterWith({}, { items: 1 }), labels), ExportTooLargeError);
    await assert.rejects(start(exporterWith({}, { bytes: 1_000_000 }), labels), ExportTooLargeError);
    const exporter = exporterWith({}, { atOnce: 2, items: 2 });
    const both = [await start(exporter, labels, 'one'), await start(exporter, labels, 'two')];
    const busy = async (actor: string) =>
      await start(exporter, labels, actor).then(
        () => undefined,
        (error: unknown) => (error instanceof ExportBusyError ? error.of : error),
      );
    assert.deepEqual([await busy('one'), await busy('three')], ['key', 'all']);
    assert.deepEqual(await Promise.all(both.map(({ stream }) => endOf(stream))), ['whole', 'whole']);
    const next = await start(exporter, labels, 'three');
    assert.equal(await endOf(next.stream), 'whole');
  });
});
