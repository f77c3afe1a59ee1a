import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNT, errcodeOf, setup, WECOM } from '../setup.ts';

describe('account-wide faults', () => {
  it('calls for tokens get a page, an errcode or a reset, as often as set', async (t) => {
    const { simulator, stable, wecomToken } = await setup(t);
    const { account } = ACCOUNT;
    simulator.setAccountWideFault(account, { name: 'html200', times: 1 }, 'token');
    assert.match(await (await stable()).text(), /^<!DOCTYPE html>/);
    assert.equal(await errcodeOf(await stable()), undefined);
    simulator.setAccountWideFault(account, { name: 'errcode', amount: -1 }, 'token');
    assert.equal(await errcodeOf(await stable()), -1);
    simulator.setAccountWideFault(account, { name: 'resetAtOnce' }, 'token');
    await assert.rejects(stable());
    assert.ok(await wecomToken(), 'another account is not touched');
    simulator.setAccountWideFault(account, undefined, 'token');
    assert.equal(await errcodeOf(await stable()), undefined);
  });

  it('noResponse ends a call for a token after its milliseconds', async (t) => {
    const { simulator, stable } = await setup(t);
    simulator.setAccountWideFault(ACCOUNT.account, { name: 'noResponse', amount: 30 }, 'token');
    await assert.rejects(stable());
  });

  it('sync_msg gets an HTML page as often as set', async (t) => {
    const { simulator, post, wecomToken } = await setup(t);
    simulator.setAccountWideFault(WECOM.account, { name: 'http502', times: 1 }, 'sync');
    const ask = async () => post(`/cgi-bin/kf/sync_msg?access_token=${await wecomToken()}`, {});
    assert.equal((await ask()).status, 502);
    assert.equal(await errcodeOf(await ask()), 0);
  });

  it('a fault that needs a file is refused for tokens', async (t) => {
    const { simulator, post } = await setup(t);
    assert.throws(
      () => simulator.setAccountWideFault(ACCOUNT.account, { name: 'gzip' }, 'token'),
      RangeError,
    );
    const body = { account: ACCOUNT.account, fault: { name: 'gzip' }, endpoint: 'token' };
    assert.equal((await post('/__simulator/account-wide-fault', body)).status, 400);
  });
});
