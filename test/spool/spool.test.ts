/** The log on real files: durable before the answer, bounded, delivered once committed, whoever dies meanwhile. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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

/** Takes what it is given, into a list. */
function catcher() {
  const got: string[] = [];
  return {
    got,
    deliver: async (texts: readonly string[]) => {
      got.push(...texts);
      return [];
    },
  };
}

const filesIn = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith('.log'));

test('what is appended is delivered in order, and then gone', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  await spool.append(['{"n":1}', '{"n":2}']);
  await spool.append(['{"n":3}']);
  assert.equal(spool.size.records, 3);
  assert.ok(spool.size.bytes > 0);
  const { got, deliver } = catcher();
  await spool.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"n":1}', '{"n":2}', '{"n":3}']);
  assert.deepEqual(spool.size, { records: 0, bytes: 0 });
  assert.deepEqual(await filesIn(join(folder, '1')), []);
});

test('an answer waits for fsync of the file, and of the folder where the file is new; those that wait share one', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  const handle = await open(folder, 'r');
  const FileHandle = Object.getPrototypeOf(handle) as Pick<typeof handle, 'sync' | 'datasync'>;
  await handle.close();
  const folderSync = t.mock.method(FileHandle, 'sync');
  const gate = Promise.withResolvers<void>();
  const datasync = FileHandle.datasync;
  let isSyncing: () => void = () => undefined;
  const syncing = new Promise<void>((resolve) => {
    isSyncing = resolve;
  });
  const fileSync = t.mock.method(FileHandle, 'datasync', async function (this: typeof handle) {
    isSyncing();
    await gate.promise;
    return await datasync.call(this);
  });
  let answered = 0;
  const append = (text: string) => spool.append([text]).then(() => answered++);
  const first = append('{"n":1}');
  await syncing;
  assert.equal(folderSync.mock.callCount(), 1);
  const others = Array.from({ length: 50 }, (_, n) => append(`{"n":${n}}`));
  assert.match(await readFile(join(folder, '1', '0000000001.log'), 'utf8'), /"n":1/, 'it is written');
  assert.equal(answered, 0, 'and not answered');
  gate.resolve();
  await Promise.all([first, ...others]);
  assert.deepEqual([answered, fileSync.mock.callCount(), folderSync.mock.callCount()], [51, 2, 1]);
});

test('a failed fsync is a refusal, and its file is never written to again', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  await spool.append(['{"n":1}']);
  const handle = await open(folder, 'r');
  const FileHandle = Object.getPrototypeOf(handle) as Pick<typeof handle, 'datasync'>;
  await handle.close();
  const broken = t.mock.method(FileHandle, 'datasync', async () => {
    throw new Error('EIO');
  });
  await assert.rejects(spool.append(['{"n":2}']), SpoolRefusedError);
  assert.equal(spool.isWritable, false);
  broken.mock.restore();
  await spool.append(['{"n":3}']);
  assert.deepEqual(await filesIn(join(folder, '1')), ['0000000001.log', '0000000002.log']);
  const { got, deliver } = catcher();
  await spool.drain(deliver, NEVER);
  assert.ok(got.includes('{"n":1}') && got.includes('{"n":3}'));
});

test('what cannot be delivered stays, and goes on where it was', async (t) => {
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

test('what is appended while others are replayed is delivered once, in order, and not lost', async (t) => {
  const { folder, openSpool } = await setup(t);
  const spool = await openSpool();
  const { got, deliver } = catcher();
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

test('the next run finds what was left, counts it, and delivers it before its own', async (t) => {
  const { openSpool } = await setup(t);
  const first = await openSpool();
  await first.append(['{"n":1}', '{"n":2}']);
  await first.close();
  const second = await openSpool();
  assert.equal(second.size.records, 2);
  await second.append(['{"n":3}']);
  const { got, deliver } = catcher();
  await second.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"n":1}', '{"n":2}', '{"n":3}']);
});

test('damaged records and those that are refused are set aside and told; the rest is delivered', async (t) => {
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
  assert.match(lines.join(''), /"bytes":5.*cut off before it was answered/);
  assert.deepEqual(await filesIn(join(folder, '1')), []);
});

test('a full spool refuses, the less important sooner; a disk without room refuses', async (t) => {
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
  await spool.drain(catcher().deliver, NEVER);
  assert.equal(spool.isWritable, true);
  // What waits to be written counts as well.
  const together = await Promise.allSettled(Array.from({ length: 20 }, () => spool.append([text])));
  assert.equal(together.filter(({ status }) => status === 'fulfilled').length, 9);

  const small = await openSpool({ floorBytes: Number.MAX_SAFE_INTEGER });
  assert.equal(small.isWritable, false);
  await assert.rejects(small.append(['{}']), /disk of the spool is full/);
});

const PROGRAM = fileURLToPath(new URL('append-forever.ts', import.meta.url));

/** Another process that appends to the same spool, one record after the other, and says which are on disk. */
async function startWriter(t: TestContext, folder: string) {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const answered: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => answered.push(line));
  await once(lines, 'line');
  return {
    answered,
    more: async (count: number) => {
      const goal = answered.length + count;
      while (answered.length < goal) await once(lines, 'line');
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

test('two processes: what a living one appends is left alone; killed, it loses nothing that was answered', async (t) => {
  const { folder, lines, openSpool } = await setup(t);
  const other = await startWriter(t, folder);
  const mine = await openSpool();
  const { got, deliver } = catcher();
  await mine.append(['{"mine":1}']);
  await mine.drain(deliver, NEVER);
  assert.deepEqual(got, ['{"mine":1}']);
  await other.more(200);
  await other.kill();
  await mine.drain(deliver, NEVER);
  assert.ok(other.answered.length > 200);
  assert.deepEqual(
    other.answered.filter((text) => !got.includes(text)),
    [],
  );
  assert.match(lines.join(''), /taking over what a process that is gone left/);
  assert.deepEqual(await filesIn(join(folder, '1')), []);
  // Its place is free for the next.
  const next = await openSpool();
  await next.append(['{"next":1}']);
  assert.deepEqual(await filesIn(join(folder, '1')), ['0000000001.log']);
});

test('what another process has in the spool counts for the limit', async (t) => {
  const { folder, openSpool } = await setup(t);
  const other = await startWriter(t, folder);
  await other.more(100);
  const mine = await openSpool({ limitBytes: 2_000 });
  await mine.drain(catcher().deliver, NEVER);
  await assert.rejects(mine.append(['{}']), /the spool is full/);
});
