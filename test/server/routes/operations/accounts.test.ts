/** The state of an account: its callbacks, clock skew, and holding it by hand. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { CallbackCount } from '../../../../src/catalogue/accounts/callback-counts.ts';
import { createCallbackCounter } from '../../../../src/server/callbacks/callback-counter.ts';
import { accountSchema, accountsSchema } from '../../../../src/server/routes/operations/accounts.ts';
import { eventually } from '../../../queue/handled.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

interface AccountJson {
  account: string;
  lastCallbackAt?: string;
  callbacks: Record<'today' | 'last7Days', Record<'received' | 'refused', Record<string, number>>> & {
    byDay: { day: string; received: number; refused: number }[];
  };
  console: { url: string; token: unknown; encodingAesKey: { isSet: boolean }; modes: string[] };
  quota?: Record<string, unknown>;
  clockSkew?: { seconds: number; message: string };
  hold: Record<string, unknown> | null;
}

const EVENT = '<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>';
const HOLD = `/v1/accounts/${PLAIN.name}/hold`;
const seconds = () => Math.floor(Date.now() / 1000);

describe('an account', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  async function shown(account = PLAIN.account, headers = {}): Promise<AccountJson> {
    const response = await s.call('/v1/accounts', { key: 'read', headers });
    const body = (await response.json()) as { items: AccountJson[] };
    accountsSchema.parse(body);
    return body.items.find((one) => one.account === account) as AccountJson;
  }
  /** Waits, because counts are written every few seconds. */
  async function shownWhen(
    is: (account: AccountJson) => unknown,
    account = PLAIN.account,
  ): Promise<AccountJson> {
    const until = performance.now() + 15_000;
    for (;;) {
      const now = await shown(account);
      if (is(now)) return now;
      assert.ok(performance.now() < until, JSON.stringify(now));
      await wait(100);
    }
  }
  const hold = (options: Call = {}, path = HOLD) => s.call(path, { method: 'PUT', key: 'admin', ...options });
  const release = (options: Call = {}) => s.call(HOLD, { method: 'DELETE', key: 'admin', ...options });
  const dispatch = async () => {
    const { claimed } = await s.context.catalogue.queue.claim(
      [{ account: PLAIN.account, capacity: 9 }],
      new Date(),
      99,
    );
    await s.context.catalogue.queue.requeue(claimed);
    return claimed.length;
  };

  it('has counts of callbacks by type and by refusal; unknown types count as other', async () => {
    assert.deepEqual((await shown()).callbacks.today, { received: {}, refused: {} });
    for (const body of [EVENT, EVENT, '<xml><MsgType>one_of_many</MsgType></xml>']) await s.callback(body);
    await s.callback(EVENT, { token: 'wrong' });
    await s.callback(EVENT, { timestamp: seconds() - 3_600 });
    await s.callback('hello');
    const expected = {
      received: { event: 2, other: 1 },
      refused: { bad_signature: 1, stale_timestamp: 1, malformed_message: 1 },
    };
    const { callbacks, lastCallbackAt } = await shownWhen(
      (one) => Object.keys(one.callbacks.today.refused).length === 3,
    );
    const { byDay, ...sums } = callbacks;
    assert.deepEqual(sums, { today: expected, last7Days: expected });
    assert.deepEqual([byDay.length, byDay.at(-1)?.received, byDay.at(-1)?.refused], [28, 3, 3]);
    assert.ok(Date.parse(lastCallbackAt ?? '') > Date.now() - 60_000);
    assert.deepEqual((await shown(SAFE.account)).callbacks.today, { received: {}, refused: {} });
    const metrics = await (await s.call('/metrics', { key: 'read' })).text();
    assert.match(metrics, /^wma_callbacks_total\{outcome="ignored"\} 3$/m);
    assert.match(metrics, /^wma_callbacks_total\{outcome="bad_signature"\} 1$/m);
  });

  it('has the callbacks of the last 28 days of UTC, each day, oldest first', async () => {
    const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
    const count = (ago: number, refused: boolean, what: string, count: number) => ({
      account: SAFE.account,
      day: day(ago),
      refused,
      what,
      count,
    });
    await s.context.catalogue.callbackCounts.add(
      [
        count(27, false, 'image', 5),
        count(28, false, 'image', 9),
        count(9, false, 'image', 2),
        count(9, false, 'voice', 3),
        count(9, true, 'bad_signature', 4),
      ],
      [],
      day(31),
    );
    const { byDay, last7Days } = (await shown(SAFE.account)).callbacks;
    assert.deepEqual([byDay.length, byDay[0]], [28, { day: day(27), received: 5, refused: 0 }]);
    assert.deepEqual(byDay[18], { day: day(9), received: 5, refused: 4 });
    assert.deepEqual(byDay.at(-1), { day: day(0), received: 0, refused: 0 });
    assert.deepEqual(last7Days, { received: {}, refused: {} });
  });

  it('says what to type into the console of WeChat, without a secret', async () => {
    const plain = (await shown()).console;
    assert.deepEqual(plain, {
      url: `${s.url}/wechat/${PLAIN.account}`,
      token: { isSet: true, setting: 'simulated' },
      encodingAesKey: { isSet: false, setting: 'simulated' },
      modes: ['plain'],
    });
    const safe = (await shown(SAFE.account)).console;
    assert.deepEqual([safe.encodingAesKey.isSet, safe.modes], [true, ['safe']]);
    const text = await (await s.call('/v1/accounts', { key: 'read' })).text();
    for (const secret of [PLAIN.secret, PLAIN.token, SAFE.token, SAFE.encodingAesKey])
      assert.ok(secret && !text.includes(secret));
  });

  it('shows how much of the quota of today is used, where it is known', async () => {
    assert.equal((await shown()).quota, undefined);
    const quota = { dailyLimit: 200_000, used: 12, remain: 199_988, readAt: new Date().toISOString() };
    await s.context.catalogue.accounts.saveQuota(PLAIN.account, quota);
    assert.deepEqual((await shown()).quota, quota);
    await s.context.catalogue.accounts.saveQuota(PLAIN.account, { ...quota, readAt: '2020-01-01T00:00:00Z' });
    assert.equal((await shown()).quota, undefined, 'it was reset since');
  });

  it('shows clock skew until the clock is right again, and logs it once an hour', async () => {
    await s.callback(EVENT);
    await shownWhen((one) => !one.clockSkew);
    const before = s.log.length;
    for (let n = 0; n < 3; n++) await s.callback(EVENT, { timestamp: seconds() - 200 });
    const { clockSkew } = await shownWhen((one) => one.clockSkew);
    assert.ok(Math.abs((clockSkew?.seconds ?? 0) - 200) <= 3);
    assert.match(clockSkew?.message ?? '', /ahead of WeChat/);
    const logged = s.log.slice(before).filter((line) => line.includes('set it by NTP'));
    assert.ok(logged.length <= 1, logged.join(''));
    assert.equal(s.log.filter((line) => line.includes('set it by NTP')).length, 1, 'once an hour');
    await s.callback(EVENT);
    await shownWhen((one) => !one.clockSkew);
  });

  it('ignores the timestamps of unsigned callbacks', async () => {
    await s.callback(EVENT, { token: 'wrong', timestamp: seconds() - 500 });
    const refused = (one: AccountJson) => one.callbacks.today.refused.bad_signature;
    assert.equal((await shownWhen((one) => refused(one) === 2)).clockSkew, undefined);
  });

  it('has its counts kept in memory while the database is down, and written afterwards', async () => {
    let isDown = true;
    let failures = 0;
    const written: CallbackCount[] = [];
    const add = async (counts: readonly CallbackCount[]) => {
      if (isDown) {
        failures++;
        throw new Error('the database is down');
      }
      written.push(...counts);
    };
    const catalogue = { callbackCounts: { ...s.context.catalogue.callbackCounts, add } };
    const counter = createCallbackCounter({ ...s.context, catalogue }, { flushMs: 5, retryMs: 5 });
    counter.countReceived('a', 'image');
    await eventually('a write that fails', async () => failures > 0);
    counter.countReceived('a', 'image');
    counter.countRefused('a', 'bad_signature');
    isDown = false;
    await counter.close();
    assert.deepEqual(
      written.map(({ what, count }) => [what, count]),
      [
        ['image', 2],
        ['bad_signature', 1],
      ],
    );
  });

  it('held by hand has no items dispatched until it is released, and shows who holds it and why', async () => {
    await s.context.accept([reference()]);
    const response = await hold({ json: { reason: 'moving to another bucket' } });
    const { hold: why } = accountSchema.parse(await response.json()) as AccountJson;
    assert.deepEqual(
      [response.status, why?.code, why?.reason, why?.by, why?.until],
      [200, 'held_by_hand', 'moving to another bucket', 'key-3', undefined],
    );
    assert.ok(Date.parse(why?.since as string) > Date.now() - 60_000);
    assert.match(String((await shown(PLAIN.account, { 'accept-language': 'zh' })).hold?.message), /人工/);
    assert.equal(await dispatch(), 0);
    const metrics = await (await s.call('/metrics', { key: 'read' })).text();
    assert.match(metrics, /^wma_account_held\{reason="held_by_hand"\} 1$/m);
    assert.equal(await (await s.callback(EVENT)).text(), 'success');

    const released = accountSchema.parse(await (await release()).json()) as AccountJson;
    assert.equal(released.hold, null);
    assert.ok((await dispatch()) > 0);
    assert.equal((await release()).status, 200, 'releasing again changes nothing');
  });

  it('held by hand stays held whatever a running attempt meets', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await hold({ json: { reason: 'for an hour', until } });
    const why = { code: 'ip_not_allowed', class: 'account' };
    await s.context.catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 60_000), why);
    const { hold: shownHold } = await shown();
    assert.deepEqual([shownHold?.code, shownHold?.until], ['held_by_hand', until]);
    await release();
  });

  it('is held for a duration, counted by the clock of the database', async () => {
    const response = await hold({ json: { reason: 'for 90 minutes', for: '90m' } });
    const { hold: why } = accountSchema.parse(await response.json()) as AccountJson;
    const { now } = s.context.catalogue.timestamps;
    const leftMs = Date.parse(why?.until as string) - (await now()).getTime();
    assert.ok(leftMs <= 90 * 60_000 && leftMs > 89 * 60_000, `${leftMs}`);
    assert.equal(Date.parse(why?.until as string) - Date.parse(why?.since as string), 90 * 60_000);
    const [entry] = await s.context.catalogue.auditLog.list({ target: PLAIN.account, action: 'hold' }, 1);
    assert.deepEqual(
      [entry?.actor, entry?.reason, entry?.detail],
      ['key-3', 'for 90 minutes', { until: why?.until }],
    );
    await release();
  });

  it('held automatically is probed with one media item when it is released', async () => {
    await s.context.accept([reference(), reference()]);
    const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 };
    await s.context.catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 3_600_000), why);
    const { hold: shownHold } = await shown();
    assert.deepEqual([shownHold?.errcode, shownHold?.by], [40164, undefined]);
    assert.equal(shownHold?.reason, shownHold?.message);
    assert.equal(await dispatch(), 0);
    assert.equal(((await (await release()).json()) as AccountJson).hold, null);
    assert.equal(await dispatch(), 1);
  });

  it('can be held only by admins, and only with valid options', async () => {
    const json = { reason: 'x' };
    const statusOf = async (response: Promise<Response>) => (await response).status;
    assert.equal(await statusOf(hold({ json, key: 'write' })), 403);
    assert.equal(await statusOf(release({ key: 'write' })), 403);
    assert.equal(await statusOf(hold({ json, key: undefined })), 401);
    assert.equal(await statusOf(hold({ json }, '/v1/accounts/unknown/hold')), 404);
    for (const bad of [
      {},
      { reason: '' },
      { reason: 'x', until: '2020-01-01T00:00:00Z' },
      { ...json, for: 1 },
      { ...json, for: '60' },
      { ...json, for: '0h' },
      { ...json, for: '-1h' },
      { ...json, for: 'P1D' },
      { ...json, for: '999999999999999999d' },
      { ...json, for: '1h', until: '2100-01-01T00:00:00Z' },
    ]) {
      assert.equal(await statusOf(hold({ json: bad })), 400, JSON.stringify(bad));
    }
    assert.equal((await shown()).hold, null);
  });
});
