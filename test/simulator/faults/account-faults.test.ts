import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  ACCOUNT_FAULT_NAMES,
  ACCOUNT_FAULTS,
  type AccountFault,
} from '../../../src/simulator/faults/account-fault-table.ts';
import { ACCOUNT, errcodeOf, OTHER, setup, WECOM } from '../setup.ts';

/** Media gets of one good voice: `file`, or the errcode. */
async function troubled(
  t: TestContext,
  trouble: AccountFault,
  account: typeof ACCOUNT | typeof WECOM = ACCOUNT,
) {
  const bundle = await setup(t, { tokenLifetimeMs: 1000 * 3_600_000 });
  const { simulator } = bundle;
  const tokenNow = () => (account === WECOM ? bundle.wecomToken() : bundle.tokenOf(account));
  const token = await tokenNow();
  const mediaId = simulator.mint(account.account, { kind: 'voice', seed: 1 });
  simulator.beginAccountFault(account.account, trouble);
  const ask = async (given = token) => {
    const answer = await bundle.get(mediaId, given);
    if (answer.headers.get('content-type') !== 'audio/amr') return errcodeOf(answer);
    await answer.arrayBuffer();
    return 'file';
  };
  const several = async (times: number) => {
    const results = [];
    for (let time = 0; time < times; time++) results.push(await ask());
    return results;
  };
  return { ...bundle, token, tokenNow, ask, several, mediaId };
}

describe('troubles of a simulated account', () => {
  it('say what they do, each', () => {
    for (const name of ACCOUNT_FAULT_NAMES) assert.ok(ACCOUNT_FAULTS[name].description);
  });

  it('rateLimit: 40001 with a good token beyond so many in a second', async (t) => {
    const { several, pass } = await troubled(t, { name: 'rateLimit', amount: 2 });
    assert.deepEqual(await several(3), ['file', 'file', 40001]);
    pass(1000);
    assert.deepEqual(await several(1), ['file']);
  });

  for (const [account, errcode] of [
    [ACCOUNT, 40001],
    [WECOM, 45033],
  ] as const) {
    it(`concurrencyLimit: ${errcode} beyond so many at once`, async (t) => {
      const { simulator, get, token, ask } = await troubled(
        t,
        { name: 'concurrencyLimit', amount: 1 },
        account,
      );
      const fault = { name: 'stall' } as const;
      const stalled = simulator.mint(account.account, { kind: 'image', seed: 1, fault });
      const first = await get(stalled, token);
      assert.equal(await ask(), errcode);
      assert.equal(simulator.requestLog.report().totals.maxConcurrentDownloads, 2);
      await first.body!.cancel();
      let result = await ask();
      // The simulator learns a moment later that the first has gone.
      for (let looks = 0; result === errcode && looks < 100; looks++) result = await ask();
      assert.equal(result, 'file');
    });
  }

  it('busyPercent: -1 to a share of the requests', async (t) => {
    const { several } = await troubled(t, { name: 'busyPercent', amount: 50 });
    assert.deepEqual(await several(4), ['file', -1, 'file', -1]);
  });

  for (const [account, errcode] of [
    [ACCOUNT, 45011],
    [WECOM, 45009],
  ] as const) {
    it(`minuteQuota: ${errcode} until the next minute`, async (t) => {
      const { several, pass } = await troubled(t, { name: 'minuteQuota', amount: 1 }, account);
      assert.deepEqual(await several(2), ['file', errcode]);
      pass(59_000);
      assert.deepEqual(await several(1), [errcode]);
      pass(1000);
      assert.deepEqual(await several(1), ['file']);
    });
  }

  it('dayQuota: 45009 until midnight in Beijing', async (t) => {
    const { several, pass } = await troubled(t, { name: 'dayQuota', amount: 2 });
    assert.deepEqual(await several(3), ['file', 'file', 45009]);
    // It is 16:00 in Beijing, and a quarter of a second.
    pass(8 * 3_600_000 - 251);
    assert.deepEqual(await several(1), [45009]);
    pass(1);
    assert.deepEqual(await several(1), ['file']);
  });

  it('dayQuota: ends by midnight on request, or healed', async (t) => {
    const { several, simulator } = await troubled(t, { name: 'dayQuota', amount: 1 });
    assert.deepEqual(await several(2), ['file', 45009]);
    simulator.resetQuotas(ACCOUNT.account);
    assert.deepEqual(await several(2), ['file', 45009]);
    simulator.endAccountFault(ACCOUNT.account);
    assert.deepEqual(await several(1), ['file']);
  });

  it('tokenQuota: 45009 from /cgi-bin/token', async (t) => {
    const { simulator } = await troubled(t, { name: 'tokenQuota', amount: 1 });
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    assert.equal(await errcodeOf(await fetch(url)), undefined);
    assert.equal(await errcodeOf(await fetch(url)), 45009);
  });

  it('ipNotAllowed: no token, the address in errmsg; downloads go on; heals on request', async (t) => {
    const { stable, simulator, several } = await troubled(t, { name: 'ipNotAllowed' });
    const refusal = (await (await stable()).json()) as { errcode: number; errmsg: string };
    assert.equal(refusal.errcode, 40164);
    assert.match(refusal.errmsg, /invalid ip 203\.0\.113\.7/);
    assert.deepEqual(await several(1), ['file']);
    assert.equal(await errcodeOf(await stable({ appid: OTHER.appId, secret: OTHER.secret })), undefined);
    simulator.endAccountFault(ACCOUNT.account, 'ipNotAllowed');
    assert.equal(await errcodeOf(await stable()), undefined);
  });

  it('ipNotAllowed at WeCom: 60020 to downloads', async (t) => {
    const { several } = await troubled(t, { name: 'ipNotAllowed' }, WECOM);
    assert.deepEqual(await several(1), [60020]);
  });

  it('unauthorized, mediaErrcode, tokenErrcode: 48001, or any other', async (t) => {
    assert.deepEqual(await (await troubled(t, { name: 'unauthorized' })).several(1), [48001]);
    const media = await troubled(t, { name: 'mediaErrcode', amount: 50_002, times: 2 });
    assert.deepEqual(await media.several(3), [50_002, 50_002, 'file'], 'heals by itself after its times');
    const { stable } = await troubled(t, { name: 'tokenErrcode', amount: 40_243 });
    assert.equal(await errcodeOf(await stable()), 40_243);
  });

  it('tokenConflict: every token dies again and again; a fresh one works until the next theft', async (t) => {
    const { ask, tokenNow, pass, simulator } = await troubled(t, { name: 'tokenConflict', amount: 1000 });
    assert.equal(await ask(), 'file');
    pass(1000);
    assert.equal(await ask(), 40001);
    const next = await tokenNow();
    assert.equal(await ask(next), 'file');
    pass(1000);
    assert.equal(await ask(next), 40001);
    assert.equal(simulator.requestLog.report().totals.externalTokenRefreshes, 2);
  });

  it('classicRefresher: a classic token works five minutes after the other refresher came', async (t) => {
    const { ask, pass, simulator } = await troubled(t, { name: 'classicRefresher', amount: 3_600_000 });
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    const { access_token } = (await (await fetch(url)).json()) as { access_token: string };
    pass(3_600_000);
    assert.equal(await ask(access_token), 'file');
    pass(300_000);
    assert.equal(await ask(access_token), 40001);
    assert.equal(await ask(), 'file', 'a stable token is not disturbed');
  });

  it('touch nobody else, and several are on at once', async (t) => {
    const { simulator, several } = await troubled(t, { name: 'rateLimit', amount: 100 });
    simulator.beginAccountFault(ACCOUNT.account, { name: 'unauthorized' });
    assert.deepEqual(
      simulator.accountFaultsOf(ACCOUNT.account).map(({ name }) => name),
      ['rateLimit', 'unauthorized'],
    );
    assert.deepEqual(simulator.accountFaultsOf(OTHER.account), []);
    assert.deepEqual(await several(1), [48001]);
    assert.throws(() => simulator.beginAccountFault('wx9', { name: 'rateLimit' }), RangeError);
  });
});

describe('quotas of a simulated account', () => {
  it('openapi/quota/get: limit, used, remain; 76003 for other paths', async (t) => {
    const { several, post, token } = await troubled(t, { name: 'dayQuota', amount: 10 });
    await several(3);
    const ask = (cgi_path: string) => post(`/cgi-bin/openapi/quota/get?access_token=${token}`, { cgi_path });
    const answer = (await (await ask('/cgi-bin/media/get')).json()) as { errcode: number; quota: unknown };
    assert.equal(answer.errcode, 0);
    assert.deepEqual(answer.quota, { daily_limit: 10, used: 3, remain: 7 });
    assert.equal(await errcodeOf(await ask('/cgi-bin/nothing')), 76003);
    const bad = await post('/cgi-bin/openapi/quota/get?access_token=x', { cgi_path: '/cgi-bin/media/get' });
    assert.equal(await errcodeOf(bad), 40014);
  });

  it('clear_quota: ten times a month, then 48006; by secret too; one API fifty times', async (t) => {
    const { several, post, token } = await troubled(t, { name: 'dayQuota', amount: 1 });
    const clear = () => post(`/cgi-bin/clear_quota?access_token=${token}`, { appid: ACCOUNT.appId });
    assert.deepEqual(await several(2), ['file', 45009]);
    assert.equal(await errcodeOf(await clear()), 0);
    assert.deepEqual(await several(2), ['file', 45009]);
    const bySecret = { appid: ACCOUNT.appId, appsecret: ACCOUNT.secret };
    assert.equal(await errcodeOf(await post('/cgi-bin/clear_quota/v2', bySecret)), 0);
    for (let times = 2; times < 10; times++) assert.equal(await errcodeOf(await clear()), 0);
    assert.equal(await errcodeOf(await clear()), 48006);
    const one = { cgi_path: '/cgi-bin/media/get' };
    assert.equal(await errcodeOf(await post(`/cgi-bin/openapi/quota/clear?access_token=${token}`, one)), 0);
    assert.equal(
      await errcodeOf(await post('/cgi-bin/clear_quota/v2', { ...bySecret, appsecret: 'x' })),
      40125,
    );
  });
});
