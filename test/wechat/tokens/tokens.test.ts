import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { FailureError } from '../../../src/failures.ts';
import { createLifetimes } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { createTokens, type StoredToken, type TokenStore } from '../../../src/wechat/tokens/tokens.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

const ACCOUNT = account();
const NEVER = new AbortController().signal;

/** What processes share, as the catalogue's rows do it. */
function memoryStore(): TokenStore & { row: StoredToken | undefined; lease: string | undefined } {
  let until = new Date(0);
  const store = {
    row: undefined as StoredToken | undefined,
    lease: undefined as string | undefined,
    read: async () => {
      await setImmediate();
      return store.row;
    },
    takeLease: async (_account: string, holder: string, now: Date, leaseUntil: Date) => {
      await setImmediate();
      if (store.lease !== undefined && store.lease !== holder && until > now) return false;
      store.lease = holder;
      until = leaseUntil;
      return true;
    },
    write: async (_account: string, token: StoredToken, replaces: string | null) => {
      await setImmediate();
      if ((store.row?.fingerprint ?? null) !== replaces) return false;
      store.row = token;
      store.lease = undefined;
      return true;
    },
    dropLease: async (_account: string, holder: string) => {
      if (store.lease === holder) store.lease = undefined;
    },
  };
  return store;
}

/** A platform with stable_token, a shared store, a clock of our own, and as many processes as a test wants. */
async function setup(t: TestContext) {
  const world = {
    nowMs: Date.parse('2026-01-01T00:00:00Z'),
    expiresIn: 7200,
    serial: 1,
    body: '',
    hold: Promise.resolve(),
  };
  const platform = await startHttpServer(t, async (_request, response) => {
    const body =
      world.body || `{"access_token":"TOKEN-${world.serial}-of-the-account","expires_in":${world.expiresIn}}`;
    await world.hold;
    response.end(body);
  });
  const api = createWechatApi({ baseUrl: platform.url });
  t.after(() => api.close());
  const store = memoryStore();
  const lines: string[] = [];
  const log = createLog({ level: 'debug', program: 'test', secrets: [], write: (line) => lines.push(line) });
  const clock = {
    now: () => new Date(world.nowMs),
    sleep: async (ms: number, signal?: AbortSignal) => {
      world.nowMs += ms;
      await setImmediate(undefined, signal ? { signal } : {});
    },
  };
  const lifetimes = createLifetimes({ mediaLifetimeMs: 1, timeScale: 1 });
  const process = (options: { giveUpMs?: number } = {}) =>
    createTokens({ api, store, clock, lifetimes, log }, options);
  return { world, platform, store, process, lines };
}

const codeOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof FailureError ? error.failure.code : error;
};

test('one question serves many callers and many processes', async (t) => {
  const { platform, process } = await setup(t);
  const processes = [process(), process(), process()];
  const asked = processes.flatMap((tokens) => [1, 2, 3, 4].map(() => tokens.get(ACCOUNT, NEVER)));
  const values = new Set((await Promise.all(asked)).map((token) => token.value));
  assert.deepEqual([...values], ['TOKEN-1-of-the-account']);
  assert.equal(platform.requests.length, 1);
  await process().get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1, 'a process that starts later finds the shared one');
});

test('the token is sealed where it is kept, and no log line knows it', async (t) => {
  const { process, store, lines } = await setup(t);
  const token = await process().get(ACCOUNT, NEVER);
  assert.ok(!JSON.stringify(store.row).includes(token.value));
  assert.equal(store.row!.fingerprint, token.fingerprint);
  assert.ok(lines.length > 0 && !lines.join('').includes(token.value));
  assert.ok(lines.join('').includes(token.fingerprint));
});

test('a token sealed under a secret that was reset is replaced', async (t) => {
  const { process, platform, world } = await setup(t);
  await process().get(ACCOUNT, NEVER);
  world.serial = 2;
  const token = await process().get(account({ secret: 'a-new-secret' }), NEVER);
  assert.equal(token.value, 'TOKEN-2-of-the-account');
  assert.equal(platform.requests.length, 2);
});

test('a token is renewed ahead of its end; one that lives for seconds works too', async (t) => {
  const { process, platform, world } = await setup(t);
  const tokens = process();
  await tokens.get(ACCOUNT, NEVER);
  world.nowMs += 6_800_000;
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1);
  world.nowMs += 150_000;
  world.serial = 2;
  world.expiresIn = 2;
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, 'TOKEN-2-of-the-account');
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 2, 'two seconds of life are used, not asked for at every call');
  world.nowMs += 1_500;
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 3);
});

test('while the platform is in trouble a token that still lives is used', async (t) => {
  const { process, world } = await setup(t);
  const tokens = process();
  const first = await tokens.get(ACCOUNT, NEVER);
  world.body = '{"errcode":-1,"errmsg":"system error"}';
  world.nowMs += 7_000_000;
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, first.value);
  world.nowMs += 300_000;
  assert.equal(await codeOf(tokens.get(ACCOUNT, NEVER)), 'system_busy');
  world.body = '';
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, first.value, 'and the next call asks again');
});

test('a holder that died delays the others only until its lease lapses', async (t) => {
  const { process, store, world, platform } = await setup(t);
  await store.takeLease(
    ACCOUNT.account,
    'a dead process',
    new Date(world.nowMs),
    new Date(world.nowMs + 15_000),
  );
  const startedMs = world.nowMs;
  await process().get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1);
  assert.ok(world.nowMs - startedMs >= 15_000);
});

test('waiting for a lease has an end', async (t) => {
  const { process, store, world } = await setup(t);
  await store.takeLease(ACCOUNT.account, 'another', new Date(world.nowMs), new Date('2999-01-01'));
  assert.equal(await codeOf(process({ giveUpMs: 100 }).get(ACCOUNT, NEVER)), 'token_unavailable');
});

test('who leaves does not take the answer from those who stay', async (t) => {
  const { process, world, platform } = await setup(t);
  const held = Promise.withResolvers<void>();
  world.hold = held.promise;
  const tokens = process();
  const controller = new AbortController();
  const leaving = tokens.get(ACCOUNT, controller.signal);
  const staying = tokens.get(ACCOUNT, NEVER);
  const reason = new Error('closing');
  controller.abort(reason);
  await assert.rejects(leaving, (error) => error === reason);
  held.resolve();
  assert.equal((await staying).value, 'TOKEN-1-of-the-account');
  assert.equal(platform.requests.length, 1);
});

test('an invalidated token heals at once, by one question, for all processes', async (t) => {
  const { process, platform, world } = await setup(t);
  const [one, two] = [process(), process()];
  const bad = await one.get(ACCOUNT, NEVER);
  await two.get(ACCOUNT, NEVER);
  world.nowMs += 6_000;
  world.serial = 2;
  const reports = [one, two].flatMap((tokens) =>
    [1, 2, 3, 4].map(() => tokens.reportRefused(ACCOUNT, bad, NEVER)),
  );
  for (const report of await Promise.all(reports)) assert.deepEqual(report, { retryAfterMs: 0 });
  assert.equal(platform.requests.length, 2);
  for (const tokens of [one, two])
    assert.equal((await tokens.get(ACCOUNT, NEVER)).value, 'TOKEN-2-of-the-account');
  assert.deepEqual(
    await one.reportRefused(ACCOUNT, bad, NEVER),
    { retryAfterMs: 0 },
    'a late failure of the old token',
  );
  assert.equal((await one.get(ACCOUNT, NEVER)).value, 'TOKEN-2-of-the-account', 'does not harm the new one');
  assert.equal(platform.requests.length, 2);
});

test('a token just handed out is not asked for again within the pause', async (t) => {
  const { process, platform, world } = await setup(t);
  const tokens = process();
  const token = await tokens.get(ACCOUNT, NEVER);
  world.nowMs += 2_000;
  assert.deepEqual(await tokens.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 3_000 });
  assert.equal(platform.requests.length, 1);
});

test('40001 with a good token asks once per pause and changes nothing', async (t) => {
  const { process, platform, world } = await setup(t);
  const [one, two] = [process(), process()];
  const token = await one.get(ACCOUNT, NEVER);
  world.nowMs += 60_000;
  assert.deepEqual(await one.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 5_000 });
  assert.deepEqual(await two.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 5_000 });
  assert.equal(platform.requests.length, 2);
  assert.equal((await one.get(ACCOUNT, NEVER)).value, token.value);
});

test('three replacements that do not help are a conflict, which time or a success forgives', async (t) => {
  const { process, platform, world } = await setup(t);
  const tokens = process();
  const steal = async () => {
    const token = await tokens.get(ACCOUNT, NEVER);
    world.nowMs += 10_000;
    world.serial++;
    return await tokens.reportRefused(ACCOUNT, token, NEVER);
  };
  for (let round = 0; round < 3; round++) assert.deepEqual(await steal(), { retryAfterMs: 0 });
  assert.equal(await codeOf(steal()), 'token_conflict');
  assert.equal(await codeOf(steal()), 'token_conflict');
  assert.equal(platform.requests.length, 4, 'a conflict asks no more');
  tokens.reportAccepted(ACCOUNT);
  assert.deepEqual(await steal(), { retryAfterMs: 0 });
  await steal();
  await steal();
  assert.equal(await codeOf(steal()), 'token_conflict');
  world.nowMs += 600_000;
  assert.deepEqual(await steal(), { retryAfterMs: 0 });
});

test('a token call that fails is its own failure and no replacement', async (t) => {
  const { process, world, store } = await setup(t);
  const tokens = process();
  const token = await tokens.get(ACCOUNT, NEVER);
  world.body = '{"errcode":40164,"errmsg":"invalid ip 1.2.3.4, not in whitelist"}';
  for (let round = 0; round < 5; round++) {
    world.nowMs += 10_000;
    assert.equal(await codeOf(tokens.reportRefused(ACCOUNT, token, NEVER)), 'ip_not_allowed');
  }
  assert.equal(store.lease, undefined, 'and leaves no lease behind');
});
