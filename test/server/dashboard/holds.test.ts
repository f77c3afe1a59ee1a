/** Pages and checks agree about a hold whose time is over: it lasts until a probe succeeds. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../queue/handled.ts';
import { openTestServer, SAFE, type TestServer } from '../setup.ts';

describe('a hold whose time is over', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
    const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 };
    await s.context.catalogue.accounts.hold(SAFE.account, new Date(Date.now() - 60_000), why);
  });
  after(() => s.close());

  const textOf = async (path: string) => (await s.call(path, { key: 'admin' })).text();

  it('is named by the state line, with its cause on the overview and a probe on the page of accounts', async () => {
    await eventually('the checks find it', async () =>
      /id="state"[^>]*>.*school.* is held/.test(await textOf('/')),
    );
    const overview = await textOf('/');
    assert.match(overview, /id="holds"[\s\S]*Account school is held: .*allow-list/);
    const [, shop = '', school = ''] =
      /id="accounts"[\s\S]*?<tbody>([\s\S]*?<\/tr>)([\s\S]*?)<\/tbody>/.exec(overview) ?? [];
    assert.match(shop, /working/);
    assert.match(school, /waits for a probe/);
    const accounts = await textOf('/accounts');
    assert.match(accounts, new RegExp(`id="${SAFE.account}-title"[\\s\\S]*?waits for a probe`));
    assert.equal(accounts.match(/>working</g)?.length, 1);
  });
});
