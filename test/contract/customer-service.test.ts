/** Customer service that is refused, silent or limited: it is reported, and read again without an operator. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/runtime/clock.ts';
import { composeMessage } from '../../src/simulator/callbacks/messages.ts';
import { composeServiceMessage } from '../../src/simulator/callbacks/service-messages.ts';
import { assertArchived, openWecomFixture, type WecomFixture } from './wecom-fixture.ts';

const NEVER = new AbortController().signal;
/** Five minutes are 0.2 s, an hour is 2.5. */
const FAST = 1440;

interface Shown {
  hold: { code: string; errcode?: number } | null;
  customerService?: {
    openKfId: string;
    lastReadAt?: string;
    failure?: { errcode?: number; advice: string };
  }[];
}

async function fixture(t: TestContext) {
  const all = await openWecomFixture(t, FAST);
  let seed = 0;
  const compose = (kind: 'image' | 'text' = 'image', openKfId = 'wk1') =>
    composeServiceMessage(all.simulator, { account: all.account.account, openKfId, kind, seed: ++seed });
  const shown = async (): Promise<Shown> => {
    const { items } = await all.call<{ items: (Shown & { account: string })[] }>('/v1/accounts');
    return items.find(({ account }) => account === all.account.account)!;
  };
  return { ...all, compose, shown };
}

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let looks = 0; looks < 200; looks++) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(100);
  }
  throw new Error(`never: ${what}`);
}
const syncRequests = ({ simulator }: Pick<WecomFixture, 'simulator'>) =>
  simulator.requestLog.report().totals.syncRequests;

describe('customer service', () => {
  it('that is refused for good holds the account, is reported everywhere, and is read again once it is allowed', async (t) => {
    const all = await fixture(t);
    const { account, simulator, callbacks, call, compose, shown, parts } = all;
    simulator.setAccountWideFault(account.account, { name: 'errcode', amount: 48002 }, 'sync');
    const message = compose();
    assert.equal((await callbacks.send(message, NEVER)).accepted, true);

    const refused = await until('a refusal', async () => {
      const now = await shown();
      return now.customerService?.[0]?.failure && now.hold ? now : undefined;
    });
    assert.equal(refused.customerService?.[0]?.failure?.errcode, 48002);
    assert.ok(refused.customerService?.[0]?.failure?.advice);
    assert.equal(refused.customerService?.[0]?.lastReadAt, undefined);
    assert.deepEqual([refused.hold?.code, refused.hold?.errcode], ['api_unauthorized', 48002]);
    const ready = await call<{ degraded: string[] }>('/readyz');
    assert.ok(ready.degraded.includes('customer_service_unread'), JSON.stringify(ready));
    assert.ok(ready.degraded.includes('account_held'), JSON.stringify(ready));
    assert.match(JSON.stringify(await call('/v1/doctor', 'POST')), /customer.service/i);
    const metrics = await call<string>('/metrics');
    assert.match(metrics, /wma_failed_total\{class="account",errcode="48002"\} [1-9]/);

    simulator.setAccountWideFault(account.account, undefined, 'sync');
    await assertArchived(all, message.mediaIds);
    const well = await until('an end of the hold', async () => {
      const now = await shown();
      return now.hold === null && now.customerService?.[0]?.lastReadAt ? now : undefined;
    });
    assert.equal(well.customerService?.[0]?.failure, undefined);
    assert.deepEqual(
      await parts.catalogue.accounts.listHolds(),
      [],
      'the read itself is the probe: no media item was needed',
    );
  });

  it('that is refused does not hold the items of the app again and again', async (t) => {
    const all = await fixture(t);
    const { account, simulator, callbacks, compose, shown } = all;
    simulator.setAccountWideFault(account.account, { name: 'errcode', amount: 48002 }, 'sync');
    assert.equal((await callbacks.send(compose(), NEVER)).accepted, true);
    await until('a hold', async () => (await shown()).hold);
    const app = composeMessage(simulator, {
      account: account.account,
      kind: 'image',
      seed: 7,
      withThumb: false,
    });
    assert.equal((await callbacks.send(app, NEVER)).accepted, true);
    await assertArchived(all, app.mediaIds);
    const before = syncRequests(all);
    await until('more refusals', async () => syncRequests(all) > before + 2);
    const now = await shown();
    assert.equal(now.hold, null, 'its media get through');
    assert.equal(now.customerService?.[0]?.failure?.errcode, 48002, 'and what is refused is still shown');
  });

  it('is read hourly without a token, so that a lost callback loses no item', async (t) => {
    const all = await fixture(t);
    assert.equal((await all.callbacks.send(all.compose(), NEVER)).accepted, true);
    await until('a first read', async () => (await all.shown()).customerService?.[0]?.lastReadAt);
    const lost = all.compose();
    await assertArchived(all, lost.mediaIds);
  });

  it('keeps the token of the callback over temporary failures, and waits longer after each', async (t) => {
    const all = await fixture(t);
    const { account, simulator, callbacks, compose, parts } = all;
    // Without the token no more than five calls a minute are let through; these are more.
    for (const openKfId of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const row = { account: account.account, openKfId, failures: 0 };
      await parts.catalogue.kfCursors.commitPage(row, { references: [], nextCursor: '' }, new Date());
    }
    simulator.setAccountWideFault(account.account, { name: 'http502', times: 3 }, 'sync');
    const message = compose();
    assert.equal((await callbacks.send(message, NEVER)).accepted, true);
    await assertArchived(all, message.mediaIds);
  });

  it('backs off when its calls are rate limited', async (t) => {
    const all = await fixture(t);
    const { account, simulator, callbacks, compose, shown } = all;
    simulator.setAccountWideFault(account.account, { name: 'errcode', amount: 45009 }, 'sync');
    const message = compose();
    assert.equal((await callbacks.send(message, NEVER)).accepted, true);
    await until('a refusal', async () => (await shown()).customerService?.[0]?.failure);
    assert.equal((await shown()).hold, null, 'downloads have limits of their own');
    simulator.setAccountWideFault(account.account, undefined, 'sync');
    await assertArchived(all, message.mediaIds);
  });

  it('that WeCom no longer knows holds no other account', async (t) => {
    const all = await fixture(t);
    const { account, simulator, callbacks, compose, shown } = all;
    simulator.setAccountWideFault(account.account, { name: 'errcode', amount: 95000, times: 1 }, 'sync');
    assert.equal((await callbacks.send(compose('text', 'gone'), NEVER)).accepted, true);
    await until('a refusal', async () => (await shown()).customerService?.[0]?.failure);
    const other = compose('image', 'other');
    assert.equal((await callbacks.send(other, NEVER)).accepted, true);
    await assertArchived(all, other.mediaIds);
    assert.equal((await shown()).hold, null);
  });
});
