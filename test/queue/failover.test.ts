/** Redis responds but accepts no jobs: demoted, full, without the right to write. On a real redis-server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { asRefusal, QueueRefusedError } from '../../src/queue/refusal.ts';
import { createLog } from '../../src/runtime/log.ts';
import { needsOtherServer } from '../../src/runtime/network/redis-connection.ts';
import { missing, startRedis } from '../machine/services.ts';
import { createHandled, entryOf, eventually, finish } from './handled.ts';

const FAST = { concurrency: 2, lockDurationMs: 2_000, stalledIntervalMs: 1_000, internalRetryMs: 100 };
const quiet = createLog({ level: 'silent', program: 'test', secrets: [] });

/** An address that can be moved to another server; open connections stay with the old one. */
async function openMovableAddress(t: TestContext, first: string) {
  let target = new URL(first);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: target.hostname, port: Number(target.port) });
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) sockets.add(socket.on('error', end).on('close', end));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    move: (url: string) => {
      target = new URL(url);
    },
  };
}

async function open(t: TestContext, url: string) {
  const queue = await openArchiveQueue({ kind: 'redis', url, prefix: '{wma}' }, { log: quiet });
  t.after(() => queue.close());
  return queue;
}

async function admin(t: TestContext, url: string): Promise<Redis> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => {});
  t.after(() => redis.disconnect());
  return redis;
}

const refusedWith = (code: string) => (error: unknown) =>
  error instanceof QueueRefusedError && error.code === code;

const works = (probe: () => Promise<void>) =>
  eventually('the probe works', () =>
    probe().then(
      () => true,
      () => false,
    ),
  );

describe('a Redis that responds but accepts no jobs', { skip: missing.redisServer }, () => {
  it('is replaced by the new master although it keeps the connections of its clients open', async (t) => {
    const [old, next] = [await startRedis(t), await startRedis(t)];
    if (!old || !next) return;
    const address = await openMovableAddress(t, old.url);
    const queue = await open(t, address.url);
    let finishSlow = () => {};
    const handled = createHandled(({ reference }) =>
      reference.mediaId === 'slow'
        ? new Promise((resolve) => {
            finishSlow = () => resolve(finish);
          })
        : finish,
    );
    const consumer = await queue.consume(handled.handler, FAST);
    t.after(() => consumer.close(0));
    await queue.add([entryOf('slow')]);
    await handled.until(1);

    const replica = await admin(t, next.url);
    await replica.replicaof('127.0.0.1', new URL(old.url).port);
    await eventually('replicated', async () =>
      (await replica.info('replication')).includes('link_status:up'),
    );
    await replica.replicaof('NO', 'ONE');
    address.move(next.url);
    // Its open connections stay open: a switched virtual address, or a proxy that keeps sessions.
    await (await admin(t, old.url)).replicaof('127.0.0.1', new URL(next.url).port);

    await eventually('a job is added', () =>
      queue.add([entryOf('after')]).then(
        () => true,
        () => false,
      ),
    );
    await handled.until(2);
    // The worker's ordinary connection notices the failover only by its own errors.
    finishSlow();
    await eventually('all have ended', async () => {
      const { waiting, active, completed } = await queue.counts();
      return waiting + active === 0 && completed === 2;
    });
    assert.equal((await queue.counts()).failed, 0);
  });

  it('fails the probe when it is full, and passes it when it has room', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const queue = await open(t, redis.url);
    const server = await admin(t, redis.url);
    await queue.probe();
    await server.config('SET', 'maxmemory', '1');
    await assert.rejects(queue.probe(), refusedWith('OOM'));
    assert.equal((await queue.counts()).waiting, 0, 'a read still succeeds');
    await server.config('SET', 'maxmemory', '0');
    await works(() => queue.probe());
  });

  it('fails the probe without the right to write, with a changed password and while it is paused', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const server = await admin(t, redis.url);
    const user = async (...rules: string[]) =>
      server.call('ACL', 'SETUSER', 'archiver', 'reset', 'on', ...rules);
    await user('>right', '~{wma}*', '&*', '+@all');
    const address = new URL(redis.url);
    address.username = 'archiver';
    address.password = 'right';
    const queue = await open(t, address.href);
    await works(() => queue.probe());

    await user('>right', '~{wma}*', '&*', '+@all', '-@write');
    await assert.rejects(queue.probe(), refusedWith('NOPERM'));
    await user('>other', '~{wma}*', '&*', '+@all');
    await server.call('CLIENT', 'KILL', 'USER', 'archiver');
    await eventually('it fails', () =>
      queue.probe().then(
        () => false,
        () => true,
      ),
    );
    await user('>right', '~{wma}*', '&*', '+@all');
    await works(() => queue.probe());

    await server.call('CLIENT', 'PAUSE', '3000', 'ALL');
    const startedAt = performance.now();
    await assert.rejects(queue.probe());
    assert.ok(performance.now() - startedAt < 2_900, 'bounded');
    await works(() => queue.probe());
  });
});

describe('a refusal of Redis', () => {
  it('leads to a new connection where another server may be meant, also inside a script', () => {
    const other = [
      "READONLY You can't write against a read only replica.",
      "ERR Error running script (call to f_1): @user_script:7: @user_script: 7: -READONLY You can't write against a read only replica.",
      "READONLY You can't write against a read only replica. script: 5d1f, on @user_script:90.",
      'LOADING Redis is loading the dataset in memory',
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
      'CLUSTERDOWN The cluster is down',
    ];
    const same = [
      "OOM command not allowed when used memory > 'maxmemory'.",
      'NOPERM this user has no permissions',
    ];
    assert.deepEqual(
      other.filter((message) => !needsOtherServer(new Error(message))),
      [],
    );
    assert.deepEqual(
      same.filter((message) => needsOtherServer(new Error(message))),
      [],
    );
  });

  it('is reported by its code alone', () => {
    const refusal = asRefusal(
      new Error("OOM command not allowed when used memory > 'maxmemory'. script: secret"),
    );
    assert.equal(refusal?.message, 'the queue refuses to write: OOM');
    assert.equal(asRefusal(new Error('connect ECONNREFUSED')), undefined);
    assert.equal(asRefusal(Object.assign(new Error('x'), { code: '25006' }))?.code, '25006');
  });
});
