/** Hosts with several addresses, the first of which is far away or does not respond. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import dns from 'node:dns';
import { readFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { createClient } from '../../../src/cli/client.ts';
import { openArchiveQueue } from '../../../src/queue/queue.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { allowSlowConnects, CONNECT_ATTEMPT_MS } from '../../../src/runtime/network/slow-connects.ts';
import { createUpstream } from '../../../src/server/callbacks/upstream.ts';
import { createStore } from '../../../src/storage/store.ts';
import { createJsonClient } from '../../../src/wechat/http/json-client.ts';
import { createHttpClient } from '../../../src/wechat/http/stream-get.ts';
import { createRedisTokenSource } from '../../../src/wechat/tokens/redis-source.ts';
import { type FarListener, openFarListener } from './slow-connects.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const { signal } = new AbortController();
/** Longer than Node's own limit for an address: the kernel repeats the dropped SYN after a second. */
const BLOCKED_MS = 700;

/** Without IPv6, an IPv6 address fails at once. */
const NOWHERE = '2001:db8::1';
const NEAR = '127.0.0.1';
/** Stands for an IPv6 address behind which packets are lost. */
const SWALLOWING = '127.0.0.2';
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'far.test': [NEAR, NOWHERE],
  'swallowed.test': [SWALLOWING, NEAR],
};

function resolveTestHosts(): () => void {
  const { lookup } = dns;
  const set = (value: unknown) => {
    Object.assign(dns, { lookup: value });
    syncBuiltinESMExports();
  };
  set((hostname: string, options: dns.LookupOptions, callback: (...given: unknown[]) => void) => {
    const found = ADDRESSES[hostname]?.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (!found) return lookup(hostname, options as dns.LookupAllOptions, callback as never);
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address, found[0]?.family);
  });
  return () => set(lookup);
}

type Send = (at: string, closes: (() => unknown)[]) => unknown;

/** Every kind of client in the programs: what it sends first, and how to start it. `at`: host:port. */
const CLIENTS: readonly (readonly [name: string, begins: RegExp, send: Send])[] = [
  [
    'media and links',
    /^GET \/media/,
    async (at, closes) => {
      const http = createHttpClient({ idleTimeoutMs: 10_000, totalTimeoutMs: 10_000, maxBodyBytes: 100 });
      closes.push(() => http.close());
      (await http.get(new URL(`http://${at}/media`), { ssrfGuard: false, where: 'test' }, signal)).discard();
    },
  ],
  [
    'JSON calls and alerts',
    /^POST \/json/,
    (at, closes) => {
      const http = createJsonClient();
      closes.push(() => http.close());
      return http.send({ url: `http://${at}/json`, where: 'test', body: {} }, signal);
    },
  ],
  [
    'the store',
    /^HEAD \/bucket/,
    (at, closes) => {
      const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
      const place = { bucket: 'bucket', region: 'us-east-1', addressing: 'path', prefix: '' } as const;
      const store = createStore({ ...place, ...keys, endpoint: `http://${at}`, clock: systemClock });
      closes.push(() => store.close());
      return store.head('key', signal);
    },
  ],
  [
    'callback forwarding',
    /^POST \/handler/,
    (at, closes) => {
      const upstream = createUpstream();
      closes.push(() => upstream.close());
      const callback = { query: '', headers: {}, body: Buffer.from('<xml/>') };
      return upstream.post(`http://${at}/handler`, callback, signal);
    },
  ],
  [
    'the command line',
    /^GET \/v1\/stats/,
    (at) =>
      createClient({ url: `http://${at}`, key: undefined, keyFile: '', language: 'en', signal }).request(
        'GET',
        '/v1/stats',
      ),
  ],
  [
    'Postgres',
    /user\0wma/,
    (at, closes) => {
      const url = `postgres://wma@${at}/wma`;
      const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 1, log });
      closes.push(() => pool.end());
      return pool.query('SELECT 1');
    },
  ],
  [
    'the queue in Redis',
    /^\*.*info/is,
    async (at, closes) => {
      const queue = await openArchiveQueue({ kind: 'redis', url: `redis://${at}`, prefix: '{x}' }, { log });
      closes.push(() => queue.close());
    },
  ],
  [
    'access tokens in Redis',
    /^\*.*select.*7/is,
    (at, closes) => {
      const tokens = createRedisTokenSource(log);
      closes.push(() => tokens.close());
      return tokens.read({ type: 'redis', url: `redis://${at}/7`, key: 'token' }, systemClock.now());
    },
  ],
];

describe('a host with several addresses', () => {
  const closes: (() => unknown)[] = [];
  const far: Record<string, FarListener> = {};
  let withNodesLimit: Promise<string>;
  before(async () => {
    closes.push(resolveTestHosts());
    allowSlowConnects();
    const open = async (host: string, port: number, blockedMs: number) => {
      const listener = await openFarListener(host, port, blockedMs);
      closes.push(() => listener.close());
      return listener;
    };
    const near = await open(NEAR, 0, 0);
    await open(SWALLOWING, near.port, 60_000);
    const slow = await open(NEAR, 0, BLOCKED_MS);
    Object.assign(far, { 'far.test': slow, 'swallowed.test': near });
    withNodesLimit = new Promise((resolve) => {
      const socket = connect({ host: 'far.test', port: slow.port, autoSelectFamilyAttemptTimeout: 250 });
      socket.once('connect', () => {
        socket.destroy();
        resolve('connected');
      });
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
    for (const [host, { port }] of Object.entries(far))
      for (const [, , send] of CLIENTS)
        Promise.resolve(send(`${host}:${port}`, closes)).catch(() => undefined);
  });
  after(async () => {
    for (const close of closes.toReversed()) await close();
  });

  it("is not reached within Node's own limit, so this test is as slow as a real network", async () => {
    assert.match(await withNodesLimit, /^(ETIMEDOUT|ENETUNREACH|EADDRNOTAVAIL|EHOSTUNREACH)$/);
  });
  for (const [name, begins] of CLIENTS) {
    it(`is reached over a long round trip, without IPv6, by ${name}`, () => far['far.test']!.seen(begins));
    it(`is reached although packets to its first address are lost, by ${name}`, () =>
      far['swallowed.test']!.seen(begins));
  }
});

describe('every program', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const programs = ['start', 'server', 'worker', 'sweep', 'demo', 'wma', 'simulator'].map((name) => [
    name,
    /(?:src|workers)\/\S+\.ts/.exec(scripts[name])![0],
  ]);
  const tell = `data:text/javascript,import net from 'node:net';process.on('exit',()=>console.log('limit '+net.getDefaultAutoSelectFamilyAttemptTimeout()))`;
  for (const [name, file] of programs) {
    it(`gives each address ${CONNECT_ATTEMPT_MS} ms: npm run ${name}`, async () => {
      const env = { PATH: process.env.PATH, PORT: 'no port' };
      const args = [
        '--disable-warning=ExperimentalWarning',
        `--import=${tell}`,
        join(ROOT, file!),
        '--no-such-option',
      ];
      const stdout = await new Promise<string>((resolve) => {
        execFile(process.execPath, args, { env, timeout: 60_000 }, (_error, out) => resolve(out));
      });
      assert.match(stdout, new RegExp(`^limit ${CONNECT_ATTEMPT_MS}$`, 'm'));
    });
  }
});
