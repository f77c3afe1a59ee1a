/** The spool on real files: durable before an append resolves, bounded, and delivered after crashes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  type FileHandle,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLog } from '../../src/runtime/log.ts';
import { openSpool, type SpoolOptions } from '../../src/spool/spool.ts';
import { SpoolRefusedError } from '../../src/spool/writer.ts';

const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;

async function setup(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'spool-'));
  t.after(() => t.after(() => rm(data, { recursive: true, force: true })));
  const folder = join(data, 'spool');
  const lines: string[] = [];
  const log = createLog({ level: 'debug', program: 'test', secrets: [], write: (line) => lines.push(line) });
  return {
    folder,
    lines,
    openSpool: async (options: Partial<SpoolOptions> = {}) => {
      const spool = await openSpool({ folder, limitBytes: MIB, floorBytes: 0, log, ...options });
      t.after(() => spool.close());
      return spool;
    },
  };
}

/** Collects the delivered records. */
function collector() {
  const got: string[] = [];
  return {
    got,
    deliver: async (texts: readonly string[]) => {
      got.push(...texts);
      return [];
    },
  };
}

/** The class of file handles, for mocking its fsync. */
async function fileHandlePrototype(folder: string): Promise<Pick<FileHandle, 'sync' | 'datasync'>> {
  await using handle = await open(folder, 'r');
  return Object.getPrototypeOf(handle);
}

const filesIn = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith('.log'));

test('appended records are delivered in order and then deleted', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  await spool.append(['{"n":1}', '{"n":2}']);
  await spool.append(['{"n":3}']);
  assert.equal(spool.size.records, 3);
  assert.ok(spool.size.bytes > 0);
  const { got, deliver } = collector();
  await spool.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"n":1}', '{"n":2}', '{"n":3}']);
  assert.deepEqual(spool.size, { records: 0, bytes: 0 });
  assert.deepEqual(await filesIn(join(folder, '1')), []);
});

test('an append resolves after an fsync of the file, and of the folder where the file is new; waiting appends share one', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  const fileHandle = await fileHandlePrototype(folder);
  const folderSync = t.mock.method(fileHandle, 'sync');
  const syncAllowed = Promise.withResolvers<void>();
  const datasync = fileHandle.datasync;
  let isSyncing: () => void = () => undefined;
  const syncing = new Promise<void>((resolve) => {
    isSyncing = resolve;
  });
  const fileSync = t.mock.method(fileHandle, 'datasync', async function (this: FileHandle) {
    isSyncing();
    await syncAllowed.promise;
    return await datasync.call(this);
  });
  let resolved = 0;
  const append = (text: string) => spool.append([text]).then(() => resolved++);
  const first = append('{"n":1}');
  await syncing;
  assert.equal(folderSync.mock.callCount(), 1);
  const others = Array.from({ length: 50 }, (_, n) => append(`{"n":${n}}`));
  assert.match(await readFile(join(folder, '1', '0000000001.log'), 'utf8'), /"n":1/, 'it is written');
  assert.equal(resolved, 0, 'and not acknowledged');
  syncAllowed.resolve();
  await Promise.all([first, ...others]);
  assert.deepEqual([resolved, fileSync.mock.callCount(), folderSync.mock.callCount()], [51, 2, 1]);
});

test('a failed fsync refuses the append, and its file is not written to again', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  await spool.append(['{"n":1}']);
  const fileHandle = await fileHandlePrototype(folder);
  const broken = t.mock.method(fileHandle, 'datasync', async () => {
    throw new Error('EIO');
  });
  await assert.rejects(spool.append(['{"n":2}']), SpoolRefusedError);
  assert.equal(spool.isWritable, false);
  broken.mock.restore();
  await spool.append(['{"n":3}']);
  assert.deepEqual(await filesIn(join(folder, '1')), ['0000000001.log', '0000000002.log']);
  const { got, deliver } = collector();
  await spool.drain(deliver, NEVER);
  assert.ok(got.includes('{"n":1}') && got.includes('{"n":3}'));
});

test('records that cannot be delivered stay, and the delivery continues where it stopped', async (t) => {
  const { openSpool } = await setup(t);
  const spool = await openSpool();
  const texts = Array.from({ length: 450 }, (_, n) => `{"n":${n}}`);
  await spool.append(texts);
  const got: string[] = [];
  let calls = 0;
  const deliver = async (group: readonly string[]) => {
    if (++calls === 2) throw new Error('away');
    got.push(...group);
    return [];
  };
  await assert.rejects(spool.drain(deliver, NEVER), /away/);
  assert.equal(spool.size.records, 450, 'nothing is deleted before all of a file is delivered');
  await spool.append(['{"n":450}']);
  await spool.drain(deliver, NEVER);
  assert.deepEqual(got, [...texts, '{"n":450}']);
});

test('records appended during a replay are delivered once, in order, and none is lost', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  // The order of the operations is tested, not their durability: 500 fsyncs take half a minute on a busy disk.
  const fileHandle = await fileHandlePrototype(folder);
  t.mock.method(fileHandle, 'datasync', async () => undefined);
  t.mock.method(fileHandle, 'sync', async () => undefined);
  const { got, deliver } = collector();
  const appended: string[] = [];
  const append = () => {
    const text = JSON.stringify({ n: appended.length });
    appended.push(text);
    return spool.append([text]);
  };
  // Between the reading of a file and its removal.
  await append();
  await spool.drain(async (texts) => {
    if (appended.length < 5) await append();
    return deliver(texts);
  }, NEVER);
  assert.deepEqual(got, appended);
  // At any moment of a replay: appending goes on beside it.
  let isOver = false;
  const appending = (async () => {
    for (let times = 0; times < 500; times++) await append();
  })().finally(() => {
    isOver = true;
  });
  while (!isOver) await spool.drain(deliver, NEVER);
  await appending;
  await spool.drain(deliver, NEVER);
  assert.deepEqual(got, appended);
  assert.deepEqual(spool.size, { records: 0, bytes: 0 });
  assert.deepEqual(await filesIn(join(folder, '1')), []);
});

test('the next run counts the records of the last one and delivers them before its own', async (t) => {
  const { openSpool } = await setup(t);
  const first = await openSpool();
  await first.append(['{"n":1}', '{"n":2}']);
  await first.close();
  const second = await openSpool();
  assert.equal(second.size.records, 2);
  await second.append(['{"n":3}']);
  const { got, deliver } = collector();
  await second.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"n":1}', '{"n":2}', '{"n":3}']);
});

test('damaged and refused records are set aside and logged; the others are delivered', async (t) => {
  const { folder, lines, openSpool } = await setup(t);
  const first = await openSpool();
  await first.append(['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}']);
  await first.close();
  const path = join(folder, '1', '0000000001.log');
  const content = await readFile(path, 'utf8');
  await writeFile(path, content.replace('{"n":2}', '{"n":9}'));
  await appendFile(path, 'cut o');
  const second = await openSpool();
  const got: string[] = [];
  await second.drain(async (texts) => {
    got.push(...texts);
    return ['{"n":4}'];
  }, NEVER);
  assert.deepEqual(got, ['{"n":1}', '{"n":3}', '{"n":4}']);
  const aside = await readFile(join(folder, 'set-aside.log'), 'utf8');
  assert.match(aside, /\{"n":9\}\n\{"n":4\}\n$/);
  assert.match(lines.join(''), /"damaged":1,"refused":1.*set aside/);
  assert.match(lines.join(''), /"bytes":5.*cut off before it was acknowledged/);
  assert.deepEqual(await filesIn(join(folder, '1')), []);
});

test('a full spool refuses appends, those with a smaller share sooner, and so does a full disk', async (t) => {
  const { openSpool } = await setup(t);
  const spool = await openSpool({ limitBytes: 10_000 });
  const text = JSON.stringify({ text: 'x'.repeat(1_000) });
  let appended = 0;
  const fill = async (share: number) => {
    for (;;) {
      await spool.append([text], share);
      appended++;
    }
  };
  await assert.rejects(fill(0.5), SpoolRefusedError);
  assert.equal(appended, 4);
  await assert.rejects(fill(1), SpoolRefusedError);
  assert.equal(appended, 9);
  assert.equal(spool.isWritable, false);
  await assert.rejects(
    Promise.all(Array.from({ length: 20 }, () => spool.append([text]))),
    SpoolRefusedError,
  );
  await spool.drain(collector().deliver, NEVER);
  assert.equal(spool.isWritable, true);
  // Records that wait to be written count as well.
  const together = await Promise.allSettled(Array.from({ length: 20 }, () => spool.append([text])));
  assert.equal(together.filter(({ status }) => status === 'fulfilled').length, 9);

  const small = await openSpool({ floorBytes: Number.MAX_SAFE_INTEGER });
  assert.equal(small.isWritable, false);
  await assert.rejects(small.append(['{}']), /disk of the spool is full/);
});

const PROGRAM = fileURLToPath(new URL('append-until-killed.ts', import.meta.url));

/** Starts another process that appends to the same spool and prints the records that are on disk. */
async function startWriter(t: TestContext, folder: string) {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const acknowledged: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => acknowledged.push(line));
  await once(lines, 'line');
  return {
    acknowledged,
    more: async (count: number) => {
      const goal = acknowledged.length + count;
      while (acknowledged.length < goal) await once(lines, 'line');
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

test('the spool of a running process is left alone, and a killed process loses no acknowledged record', async (t) => {
  const { folder, lines, openSpool } = await setup(t);
  const other = await startWriter(t, folder);
  const mine = await openSpool();
  const { got, deliver } = collector();
  await mine.append(['{"mine":1}']);
  await mine.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"mine":1}']);
  await other.more(200);
  await other.kill();
  await mine.drain(deliver, NEVER);
  assert.ok(other.acknowledged.length > 200);
  assert.deepEqual(
    other.acknowledged.filter((text) => !got.includes(text)),
    [],
  );
  assert.match(lines.join(''), /taking over the folder of an ended process/);
  assert.deepEqual(await filesIn(join(folder, '1')), []);
  // Its slot is free for the next process.
  const next = await openSpool();
  await next.append(['{"next":1}']);
  assert.deepEqual(await filesIn(join(folder, '1')), ['0000000001.log']);
});

test('the records of another process count towards the limit', async (t) => {
  const { folder, openSpool } = await setup(t);
  const other = await startWriter(t, folder);
  await other.more(100);
  const mine = await openSpool({ limitBytes: 2_000 });
  await mine.drain(collector().deliver, NEVER);
  await assert.rejects(mine.append(['{}']), /the spool is full/);
});
