import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  ACCOUNT_FAULT_NAMES,
  ACCOUNT_FAULTS,
  type AccountFault,
} from '../../../src/simulator/faults/account-fault-table.ts';
import { ACCOUNT, errcodeOf, OTHER, setup, WECOM } from '../setup.ts';

/** Begins a fault; `ask` downloads one voice and resolves with `file` or the errcode. */
async function setupFault(
  t: TestContext,
  fault: AccountFault,
  account: typeof ACCOUNT | typeof WECOM = ACCOUNT,
) {
  const bundle = await setup(t, { tokenLifetimeMs: 1000 * 3_600_000 });
  const { simulator } = bundle;
  const tokenNow = () => (account === WECOM ? bundle.wecomToken() : bundle.tokenOf(account));
  const token = await tokenNow();
  const mediaId = simulator.mint(account.account, { kind: 'voice', seed: 1 });
  simulator.beginAccountFault(account.account, fault);
  const ask = async (given = token) => {
    const response = await bundle.get(mediaId, given);
    if (response.headers.get('content-type') !== 'audio/amr') return errcodeOf(response);
    await response.arrayBuffer();
    return 'file';
  };
  const several = async (times: number) => {
    const results = [];
    for (let time = 0; time < times; time++) results.push(await ask());
    return results;
  };
  return { ...bundle, token, tokenNow, ask, several, mediaId };
}

describe('account faults', () => {
  it('every account fault has a description', () => {
    for (const name of ACCOUNT_FAULT_NAMES) assert.ok(ACCOUNT_FAULTS[name].description);
  });

  it('rateLimit refuses with 40001 above its requests in a second', async (t) => {
    const { several, pass } = await setupFault(t, { name: 'rateLimit', amount: 2 });
    assert.deepEqual(await several(3), ['file', 'file', 40001]);
    pass(1000);
    assert.deepEqual(await several(1), ['file']);
  });

  for (const [account, errcode] of [
    [ACCOUNT, 40001],
    [WECOM, 45033],
  ] as const) {
    it(`concurrencyLimit refuses with ${errcode} above its concurrent requests`, async (t) => {
      const { simulator, get, token, ask } = await setupFault(
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
      // The simulator notices a little later that the first client has disconnected.
      for (let polls = 0; result === errcode && polls < 100; polls++) result = await ask();
      assert.equal(result, 'file');
    });
  }

  it('busyPercent refuses a share of the requests with -1', async (t) => {
    const { several } = await setupFault(t, { name: 'busyPercent', amount: 50 });
    assert.deepEqual(await several(4), ['file', -1, 'file', -1]);
  });

  for (const [account, errcode] of [
    [ACCOUNT, 45011],
    [WECOM, 45009],
  ] as const) {
    it(`minuteQuota refuses with ${errcode} until the next minute`, async (t) => {
      const { several, pass } = await setupFault(t, { name: 'minuteQuota', amount: 1 }, account);
      assert.deepEqual(await several(2), ['file', errcode]);
      pass(59_000);
      assert.deepEqual(await several(1), [errcode]);
      pass(1000);
      assert.deepEqual(await several(1), ['file']);
    });
  }

  it('dayQuota refuses with 45009 until midnight in Beijing', async (t) => {
    const { several, pass } = await setupFault(t, { name: 'dayQuota', amount: 2 });
    assert.deepEqual(await several(3), ['file', 'file', 45009]);
    // It is 16:00 in Beijing, and a quarter of a second.
    pass(8 * 3_600_000 - 251);
    assert.deepEqual(await several(1), [45009]);
    pass(1);
    assert.deepEqual(await several(1), ['file']);
  });

  it('dayQuota ends with a reset of the quotas or with the fault', async (t) => {
    const { several, simulator } = await setupFault(t, { name: 'dayQuota', amount: 1 });
    assert.deepEqual(await several(2), ['file', 45009]);
    simulator.resetQuotas(ACCOUNT.account);
    assert.deepEqual(await several(2), ['file', 45009]);
    simulator.endAccountFault(ACCOUNT.account);
    assert.deepEqual(await several(1), ['file']);
  });

  it('tokenQuota refuses /cgi-bin/token with 45009', async (t) => {
    const { simulator } = await setupFault(t, { name: 'tokenQuota', amount: 1 });
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    assert.equal(await errcodeOf(await fetch(url)), undefined);
    assert.equal(await errcodeOf(await fetch(url)), 45009);
  });

  it('ipNotAllowed refuses tokens with the address in errmsg, but not downloads, until it is ended', async (t) => {
    const { stable, simulator, several } = await setupFault(t, { name: 'ipNotAllowed' });
    const refusal = (await (await stable()).json()) as { errcode: number; errmsg: string };
    assert.equal(refusal.errcode, 40164);
    assert.match(refusal.errmsg, /invalid ip 203\.0\.113\.7/);
    assert.deepEqual(await several(1), ['file']);
    assert.equal(await errcodeOf(await stable({ appid: OTHER.appId, secret: OTHER.secret })), undefined);
    simulator.endAccountFault(ACCOUNT.account, 'ipNotAllowed');
    assert.equal(await errcodeOf(await stable()), undefined);
  });

  it('ipNotAllowed at WeCom refuses downloads with 60020', async (t) => {
    const { several } = await setupFault(t, { name: 'ipNotAllowed' }, WECOM);
    assert.deepEqual(await several(1), [60020]);
  });

  it('unauthorized, mediaErrcode and tokenErrcode refuse with 48001 or with their errcode', async (t) => {
    assert.deepEqual(await (await setupFault(t, { name: 'unauthorized' })).several(1), [48001]);
    const media = await setupFault(t, { name: 'mediaErrcode', amount: 50_002, times: 2 });
    assert.deepEqual(await media.several(3), [50_002, 50_002, 'file'], 'it ends after its times');
    const { stable } = await setupFault(t, { name: 'tokenErrcode', amount: 40_243 });
    assert.equal(await errcodeOf(await stable()), 40_243);
  });

  it('tokenConflict invalidates every token at each refresh; a new one works until the next', async (t) => {
    const { ask, tokenNow, pass, simulator } = await setupFault(t, { name: 'tokenConflict', amount: 1000 });
    assert.equal(await ask(), 'file');
    pass(1000);
    assert.equal(await ask(), 40001);
    const next = await tokenNow();
    assert.equal(await ask(next), 'file');
    pass(1000);
    assert.equal(await ask(next), 40001);
    assert.equal(simulator.requestLog.report().totals.externalTokenRefreshes, 2);
  });

  it('classicRefresher leaves a classic token valid for five minutes', async (t) => {
    const { ask, pass, simulator } = await setupFault(t, { name: 'classicRefresher', amount: 3_600_000 });
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    const { access_token } = (await (await fetch(url)).json()) as { access_token: string };
    pass(3_600_000);
    assert.equal(await ask(access_token), 'file');
    pass(300_000);
    assert.equal(await ask(access_token), 40001);
    assert.equal(await ask(), 'file', 'a stable token is not affected');
  });

  it('several faults are active at once, and affect only their account', async (t) => {
    const { simulator, several } = await setupFault(t, { name: 'rateLimit', amount: 100 });
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

describe('quotas', () => {
  it('openapi/quota/get returns limit, used and remain, or 76003 for other paths', async (t) => {
    const { several, post, token } = await setupFault(t, { name: 'dayQuota', amount: 10 });
    await several(3);
    const ask = (cgi_path: string) => post(`/cgi-bin/openapi/quota/get?access_token=${token}`, { cgi_path });
    const response = (await (await ask('/cgi-bin/media/get')).json()) as { errcode: number; quota: unknown };
    assert.equal(response.errcode, 0);
    assert.deepEqual(response.quota, { daily_limit: 10, used: 3, remain: 7 });
    assert.equal(await errcodeOf(await ask('/cgi-bin/nothing')), 76003);
    const bad = await post('/cgi-bin/openapi/quota/get?access_token=x', { cgi_path: '/cgi-bin/media/get' });
    assert.equal(await errcodeOf(bad), 40014);
  });

  it('clear_quota works ten times a month, with a secret too, then gets 48006; for one API fifty times', async (t) => {
    const { several, post, token } = await setupFault(t, { name: 'dayQuota', amount: 1 });
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
