/** One server, two workers and a sweeper on Redis, Postgres and a foreign S3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { BUCKET } from '../embedded/s3/s3-for-test.ts';
import { untilReady } from './programs.ts';
import { setupProcesses } from './separate-processes.ts';

/** Half a minute to a minute until the queue takes a killed worker for dead. */
const LONG = { timeout: 240_000 };

test(
  'a callback becomes an object, a row and a link; what a killed worker had in hand the other finishes',
  LONG,
  async (t) => {
    const service = await setupProcesses(t);
    if (!service) return;
    const { start, s3, url, send, untilRunning, untilArchived, assertStored } = service;
    const server = start('src/server/main.ts');
    const sweeper = start('workers/sweep.ts');
    const first = start('workers/archive.ts');
    await untilReady(url);
    await sweeper.untilOutput(/"sweeper: started"/);
    await first.untilOutput(/"worker: started"/);

    const picture = await send({ kind: 'image' });
    assert.ok(picture);
    await assertStored(await untilArchived(picture));

    const kinds = [{ kind: 'image' }, { kind: 'video', sizeBytes: 12 * 1024 * 1024 }] as const;
    const stuck: string[] = [];
    for (const wish of kinds) {
      const id = await send({ ...wish, fault: { name: 'stall', times: 1 } });
      assert.ok(id);
      stuck.push(id);
    }
    for (const id of stuck) await untilRunning(id);
    const second = start('workers/archive.ts');
    await second.untilOutput(/"worker: started"/);
    await first.end('SIGKILL');

    const besides = await send({ kind: 'voice' });
    assert.ok(besides);
    await assertStored(await untilArchived(besides));
    for (const id of stuck) {
      const row = await untilArchived(id);
      assert.equal(row.attempts, 1);
      await assertStored(row);
    }
    const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
    assert.deepEqual(Uploads, []);
    for (const program of [second, sweeper, server]) {
      assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
      assert.doesNotMatch(program.stderr(), /shutdown: step failed/);
    }
  },
);
