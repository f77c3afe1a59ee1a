/** Tokens by /cgi-bin/token and by gettoken of WeCom. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';
import { NEVER, START, setup } from './setup.ts';

/** /cgi-bin/token: each response invalidates the token before. */
async function classic(t: TestContext) {
  const state = { serial: 0 };
  const platform = await startHttpServer(t, (_request, response) =>
    response.end(`{"access_token":"CLASSIC-${++state.serial}","expires_in":7200}`),
  );
  const SHOP = account({ tokenSource: { type: 'token' } });
  return { ...setup(t, platform.url), platform, state, SHOP };
}

test('the classic token is requested by GET, once for many processes', async (t) => {
  const { platform, process, SHOP } = await classic(t);
  const processes = [process(), process(), process()];
  const got = await Promise.all(processes.flatMap((tokens) => [1, 2, 3].map(() => tokens.get(SHOP, NEVER))));
  assert.deepEqual([...new Set(got.map(({ value }) => value))], ['CLASSIC-1']);
  assert.deepEqual(
    platform.requests.map(({ method, url }) => [method, url]),
    [['GET', `/cgi-bin/token?grant_type=client_credential&appid=${SHOP.appId}&secret=${SHOP.secret}`]],
  );
});

test('a classic token is not refreshed again after another process did it', async (t) => {
  const { platform, process, SHOP, time } = await classic(t);
  const [one, two] = [process(), process()];
  const bad = await one.get(SHOP, NEVER);
  await two.get(SHOP, NEVER);
  time.nowMs += 61_000;
  const reports = [one, two].flatMap((tokens) => [1, 2, 3].map(() => tokens.reportRefused(SHOP, bad, NEVER)));
  for (const report of await Promise.all(reports)) assert.deepEqual(report, { retryAfterMs: 0 });
  assert.equal(platform.requests.length, 2);
  for (const tokens of [one, two]) assert.equal((await tokens.get(SHOP, NEVER)).value, 'CLASSIC-2');
});

test('a burst of 40001 in the first minute of a classic token refreshes nothing', async (t) => {
  const { platform, process, SHOP, time } = await classic(t);
  const tokens = process();
  const token = await tokens.get(SHOP, NEVER);
  for (let second = 0; second < 59; second += 5) {
    assert.deepEqual(await tokens.reportRefused(SHOP, token, NEVER), {
      retryAfterMs: Math.min(60_000 - (time.nowMs - START), 5_000),
    });
    time.nowMs += 5_000;
  }
  assert.equal(platform.requests.length, 1);
});

test('repeated early refusals log a token conflict, even where every replacement works', async (t) => {
  const { process, SHOP, time, lines } = await classic(t);
  const tokens = process();
  const warnings = () => lines.filter((line) => line.includes('another program keeps refreshing')).length;
  for (let refusal = 1; refusal <= 3; refusal++) {
    assert.equal(warnings(), 0);
    const token = await tokens.get(SHOP, NEVER);
    tokens.reportAccepted(SHOP);
    time.nowMs += 12 * 60_000;
    assert.deepEqual(await tokens.reportRefused(SHOP, token, NEVER), { retryAfterMs: 0 });
  }
  assert.equal(warnings(), 1);
  assert.match(lines.join(''), /"code":"token_conflict"/);
});

test('WeCom tokens are requested by gettoken at the host of WeCom', async (t) => {
  const wecom = await startHttpServer(t, (_request, response) =>
    response.end('{"errcode":0,"errmsg":"ok","access_token":"WECOM-1","expires_in":7200}'),
  );
  const { process } = setup(t, 'http://127.0.0.1:1', { wecomBaseUrl: wecom.url });
  const corp = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom', secret: 's&=' });
  assert.equal((await process().get(corp, NEVER)).value, 'WECOM-1');
  assert.equal(wecom.requests[0]!.url, '/cgi-bin/gettoken?corpid=ww1&corpsecret=s%26%3D');
});

test('all processes together request a refused WeCom token at most every half minute', async (t) => {
  const wecom = await startHttpServer(t, (_request, response) =>
    response.end('{"errcode":0,"errmsg":"ok","access_token":"WECOM-1","expires_in":7200}'),
  );
  const { process, time } = setup(t, 'http://127.0.0.1:1', { wecomBaseUrl: wecom.url });
  const corp = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
  const [one, two] = [process(), process()];
  const token = await one.get(corp, NEVER);
  for (let second = 0; second < 30; second += 5) {
    for (const tokens of [one, two]) await tokens.reportRefused(corp, token, NEVER);
    assert.equal(wecom.requests.length, 1, `after ${second} s`);
    time.nowMs += 5_000;
  }
  await one.reportRefused(corp, token, NEVER);
  assert.equal(wecom.requests.length, 2);
});
