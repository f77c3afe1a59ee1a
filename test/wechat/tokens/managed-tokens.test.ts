/** Tokens by stable_token, shared by many processes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';
import { codeOf, NEVER, setup } from './setup.ts';

const ACCOUNT = account();

/** A WeChat with stable_token that responds as `world` says. */
async function openAccount(t: TestContext) {
  const world = { expiresIn: 7200, serial: 1, body: '', hold: Promise.resolve() };
  const platform = await startHttpServer(t, async (_request, response) => {
    const body =
      world.body || `{"access_token":"TOKEN-${world.serial}-of-the-account","expires_in":${world.expiresIn}}`;
    await world.hold;
    response.end(body);
  });
  const opened = setup(t, platform.url);
  return { ...opened, world, platform, row: () => opened.store.rows.get(ACCOUNT.account) };
}

test('one token request serves many callers and many processes', async (t) => {
  const { process, platform } = await openAccount(t);
  const processes = [process(), process(), process()];
  const requests = processes.flatMap((tokens) => [1, 2, 3, 4].map(() => tokens.get(ACCOUNT, NEVER)));
  const values = new Set((await Promise.all(requests)).map((token) => token.value));
  assert.deepEqual([...values], ['TOKEN-1-of-the-account']);
  assert.equal(platform.requests.length, 1);
  await process().get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1, 'a process that starts later uses the stored token');
});

test('the stored token is encrypted, and no log line contains it', async (t) => {
  const { process, row, lines } = await openAccount(t);
  const token = await process().get(ACCOUNT, NEVER);
  assert.ok(!JSON.stringify(row()).includes(token.value));
  assert.equal(row()!.fingerprint, token.fingerprint);
  assert.ok(lines.length > 0 && !lines.join('').includes(token.value));
  assert.ok(lines.join('').includes(token.fingerprint));
});

test('a token that was encrypted with an earlier secret is replaced', async (t) => {
  const { process, platform, world } = await openAccount(t);
  await process().get(ACCOUNT, NEVER);
  world.serial = 2;
  const token = await process().get(account({ secret: 'a-new-secret' }), NEVER);
  assert.equal(token.value, 'TOKEN-2-of-the-account');
  assert.equal(platform.requests.length, 2);
});

test('a token is renewed before it expires, also one that lives for seconds', async (t) => {
  const { process, platform, world, time } = await openAccount(t);
  const tokens = process();
  await tokens.get(ACCOUNT, NEVER);
  time.nowMs += 6_800_000;
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1);
  time.nowMs += 150_000;
  world.serial = 2;
  world.expiresIn = 2;
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, 'TOKEN-2-of-the-account');
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(
    platform.requests.length,
    2,
    'a token that lives for two seconds is not requested for every call',
  );
  time.nowMs += 1_500;
  await tokens.get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 3);
});

test('while WeChat returns errors, a token that is still valid is used', async (t) => {
  const { process, world, time } = await openAccount(t);
  const tokens = process();
  const first = await tokens.get(ACCOUNT, NEVER);
  world.body = '{"errcode":-1,"errmsg":"system error"}';
  time.nowMs += 7_000_000;
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, first.value);
  time.nowMs += 300_000;
  assert.equal(await codeOf(tokens.get(ACCOUNT, NEVER)), 'system_busy');
  world.body = '';
  assert.equal((await tokens.get(ACCOUNT, NEVER)).value, first.value, 'the next call requests it again');
});

test('a process that died with the lease delays the others only until the lease ends', async (t) => {
  const { process, platform, time, store } = await openAccount(t);
  await store.takeLease(
    ACCOUNT.account,
    'a dead process',
    new Date(time.nowMs),
    new Date(time.nowMs + 15_000),
  );
  const startedMs = time.nowMs;
  await process().get(ACCOUNT, NEVER);
  assert.equal(platform.requests.length, 1);
  assert.ok(time.nowMs - startedMs >= 15_000);
});

test('waiting for the lease ends with a timeout', async (t) => {
  const { process, time, store } = await openAccount(t);
  await store.takeLease(ACCOUNT.account, 'another', new Date(time.nowMs), new Date('2999-01-01'));
  assert.equal(await codeOf(process({ giveUpMs: 100 }).get(ACCOUNT, NEVER)), 'token_unavailable');
});

test('a caller that aborts does not end the request for the other callers', async (t) => {
  const { process, platform, world } = await openAccount(t);
  const held = Promise.withResolvers<void>();
  world.hold = held.promise;
  const tokens = process();
  const controller = new AbortController();
  const aborted = tokens.get(ACCOUNT, controller.signal);
  const other = tokens.get(ACCOUNT, NEVER);
  const reason = new Error('closing');
  controller.abort(reason);
  await assert.rejects(aborted, (error) => error === reason);
  held.resolve();
  assert.equal((await other).value, 'TOKEN-1-of-the-account');
  assert.equal(platform.requests.length, 1);
});

test('an invalidated token is replaced at once, by one request for all processes', async (t) => {
  const { process, platform, world, time } = await openAccount(t);
  const [one, two] = [process(), process()];
  const bad = await one.get(ACCOUNT, NEVER);
  await two.get(ACCOUNT, NEVER);
  time.nowMs += 6_000;
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
    'a late report of the old token',
  );
  assert.equal(
    (await one.get(ACCOUNT, NEVER)).value,
    'TOKEN-2-of-the-account',
    'does not affect the new one',
  );
  assert.equal(platform.requests.length, 2);
});

test('a token that was just issued is not requested again within the pause', async (t) => {
  const { process, platform, time } = await openAccount(t);
  const tokens = process();
  const token = await tokens.get(ACCOUNT, NEVER);
  time.nowMs += 2_000;
  assert.deepEqual(await tokens.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 3_000 });
  assert.equal(platform.requests.length, 1);
});

test('40001 for a valid token leads to one request per pause and changes nothing', async (t) => {
  const { process, platform, time } = await openAccount(t);
  const [one, two] = [process(), process()];
  const token = await one.get(ACCOUNT, NEVER);
  time.nowMs += 60_000;
  assert.deepEqual(await one.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 5_000 });
  assert.deepEqual(await two.reportRefused(ACCOUNT, token, NEVER), { retryAfterMs: 5_000 });
  assert.equal(platform.requests.length, 2);
  assert.equal((await one.get(ACCOUNT, NEVER)).value, token.value);
});

test('three replacements that do not help are a conflict, until time passes or a call succeeds', async (t) => {
  const { process, platform, world, time } = await openAccount(t);
  const tokens = process();
  const replaceFromOutside = async () => {
    const token = await tokens.get(ACCOUNT, NEVER);
    time.nowMs += 10_000;
    world.serial++;
    return await tokens.reportRefused(ACCOUNT, token, NEVER);
  };
  for (let attempt = 0; attempt < 3; attempt++)
    assert.deepEqual(await replaceFromOutside(), { retryAfterMs: 0 });
  assert.equal(await codeOf(replaceFromOutside()), 'token_conflict');
  assert.equal(await codeOf(replaceFromOutside()), 'token_conflict');
  assert.equal(platform.requests.length, 4, 'no request is made during a conflict');
  tokens.reportAccepted(ACCOUNT);
  assert.deepEqual(await replaceFromOutside(), { retryAfterMs: 0 });
  await replaceFromOutside();
  await replaceFromOutside();
  assert.equal(await codeOf(replaceFromOutside()), 'token_conflict');
  time.nowMs += 600_000;
  assert.deepEqual(await replaceFromOutside(), { retryAfterMs: 0 });
});

test('a failed token call is reported as its own failure and not as a replacement', async (t) => {
  const { process, world, time, store } = await openAccount(t);
  const tokens = process();
  const token = await tokens.get(ACCOUNT, NEVER);
  world.body = '{"errcode":40164,"errmsg":"invalid ip 1.2.3.4, not in whitelist"}';
  for (let attempt = 0; attempt < 5; attempt++) {
    time.nowMs += 10_000;
    assert.equal(await codeOf(tokens.reportRefused(ACCOUNT, token, NEVER)), 'ip_not_allowed');
  }
  assert.equal(store.leases.size, 0, 'the lease is released');
});
