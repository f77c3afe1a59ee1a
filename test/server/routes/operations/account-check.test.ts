/** POST /v1/accounts/{account}/check against a simulated WeChat. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLifetimes, systemClock } from '../../../../src/runtime/clock.ts';
import { createLog } from '../../../../src/runtime/log.ts';
import { accountCheckSchema } from '../../../../src/server/routes/operations/account-check.ts';
import { openServer } from '../../../../src/server/start.ts';
import { simulatedAccounts } from '../../../../src/simulator/account.ts';
import { openSimulator, type Simulator } from '../../../../src/simulator/server.ts';
import { KEYS, openTestServer, PLAIN, SAFE, type TestServer } from '../../setup.ts';

interface Check {
  ok: boolean;
  message: string;
  advice: string;
  failure?: { code: string; errcode?: number; message: string };
}

const ACCOUNTS = simulatedAccounts(4);
const [OFFICIAL] = ACCOUNTS;

describe('checking an account', () => {
  let s: TestServer;
  let simulator: Simulator;
  before(async () => {
    simulator = await openSimulator({
      clock: systemClock,
      lifetimes: createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 }),
      accounts: ACCOUNTS,
      log: createLog({ level: 'silent', program: 'test', secrets: [] }),
    });
    s = await openTestServer({ accounts: [...ACCOUNTS, SAFE] });
  });
  after(async () => {
    await s.close();
    await simulator.close();
  });

  /** A server has its own limit of checks, so each test opens one. */
  async function open() {
    const wechat = { apiBaseUrl: simulator.url, wecomBaseUrl: simulator.url, proxyUrl: undefined };
    const keys = [
      { name: 'ops', scopes: ['admin'] as const, secret: KEYS.admin },
      { name: 'school', scopes: ['admin'] as const, secret: KEYS.schoolAdmin, accounts: [SAFE.account] },
      { name: 'producer', scopes: ['write'] as const, secret: KEYS.write },
    ];
    const { url } = await openServer(s.context, { keys, wechat });
    return (
      account: string,
      { key = 'admin', language = 'en' }: { key?: keyof typeof KEYS; language?: string } = {},
    ) =>
      fetch(`${url}/v1/accounts/${encodeURIComponent(account)}/check`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEYS[key]}`, 'accept-language': language },
      });
  }
  async function resultOf(response: Response): Promise<Check> {
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const body = JSON.parse(text) as Check;
    accountCheckSchema.parse(body);
    for (const { secret } of ACCOUNTS) assert.ok(!text.includes(secret));
    return body;
  }

  it('finds that WeChat accepts it, for each product, and writes it into the audit log', async () => {
    const check = await open();
    for (const { account } of ACCOUNTS) {
      const { ok, message } = await resultOf(await check(account));
      assert.equal(ok, true, message);
      const [entry] = await s.context.catalogue.auditLog.list({ target: account, accounts: [account] }, 1);
      assert.deepEqual([entry?.actor, entry?.action, entry?.detail], ['ops', 'account.check', { ok: true }]);
    }
  });

  it('shows why WeChat refuses it, with the errcode and advice in both languages, and releases no hold', async () => {
    const { account } = OFFICIAL!;
    simulator.beginAccountFault(account, { name: 'ipNotAllowed' });
    await s.context.catalogue.accounts.hold(account, new Date(Date.now() + 3_600_000), {
      code: 'ip_not_allowed',
      class: 'account',
    });
    const refused = await resultOf(await (await open())(account));
    assert.deepEqual(
      [refused.ok, refused.failure?.code, refused.failure?.errcode],
      [false, 'ip_not_allowed', 40164],
    );
    assert.match(refused.advice, /allow-list/);
    const chinese = await resultOf(await (await open())(account, { language: 'zh' }));
    assert.match(chinese.message, /\p{Script=Han}/u);
    simulator.endAccountFault(account);
    assert.equal((await resultOf(await (await open())(account))).ok, true);
    const state = (await s.context.catalogue.accounts.list()).find((one) => one.account === account);
    assert.ok(state?.heldUntil, 'the hold stays');
  });

  it('gets a new token where the stored one is refused', async () => {
    const { account } = OFFICIAL!;
    simulator.invalidateTokens(account);
    assert.equal((await resultOf(await (await open())(account))).ok, true);
  });

  it('is a result, not an error, if nothing responds', async () => {
    // openTestServer has an address where nothing listens.
    const { ok, failure } = await s.json<Check>(`/v1/accounts/${OFFICIAL!.account}/check`, {
      key: 'admin',
      method: 'POST',
    });
    assert.deepEqual([ok, failure?.code], [false, 'network']);
  });

  it('is possible every ten seconds for an account, and for another one at once', async () => {
    const check = await open();
    const [first, second] = ACCOUNTS;
    assert.equal((await check(first!.account)).status, 200);
    const tooSoon = await check(first!.account);
    assert.equal(tooSoon.status, 429);
    assert.ok(Number(tooSoon.headers.get('retry-after')) <= 10);
    assert.equal((await check(second!.account)).status, 200);
  });

  it('is for admins of the account only', async () => {
    const check = await open();
    assert.equal((await check(OFFICIAL!.account, { key: 'write' })).status, 403);
    assert.equal((await check(OFFICIAL!.account, { key: 'schoolAdmin' })).status, 403);
    assert.equal((await check('unknown', { key: 'schoolAdmin' })).status, 403);
    assert.equal((await check('unknown')).status, 404);
    assert.equal((await check(PLAIN.account)).status, 404, 'it is not configured here');
    assert.equal((await check("'; --")).status, 404);
  });
});
