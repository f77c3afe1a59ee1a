/** Tokens of accounts that authorised a third-party platform. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Account, TokenSource } from '../../../src/account.ts';
import { FailureError } from '../../../src/failures.ts';
import { encryptTicket, type SecretStore } from '../../../src/wechat/tokens/component-tokens.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';
import { codeOf, NEVER, setup } from './setup.ts';

async function storeTicket(secrets: SecretStore, of: Account, ticket: string): Promise<void> {
  const { name, encrypted } = encryptTicket(of, ticket);
  await secrets.write(name, encrypted, new Date());
}

/** A third-party platform with one account; refresh tokens rotate with every use. */
async function component(t: TestContext) {
  const state = { component: 0, account: 0, refresh: 'REFRESH-0', validComponent: '', info: 0 };
  const platform = await startHttpServer(t, (request, response, text) => {
    const url = new URL(request.url!, 'http://x');
    const body = JSON.parse(text);
    const respond = (fields: object): void => void response.end(JSON.stringify(fields));
    if (url.pathname.endsWith('/api_component_token')) {
      if (body.component_verify_ticket !== 'ticket@@@1') return respond({ errcode: 61006, errmsg: 'ticket' });
      state.validComponent = `COMPONENT-${++state.component}`;
      return respond({ component_access_token: state.validComponent, expires_in: 7200 });
    }
    if (url.searchParams.get('component_access_token') !== state.validComponent)
      return respond({ errcode: 42001, errmsg: 'expired' });
    if (url.pathname.endsWith('/api_get_authorizer_info')) {
      state.info++;
      return respond({ authorization_info: { authorizer_refresh_token: state.refresh } });
    }
    if (body.authorizer_refresh_token !== state.refresh)
      return respond({ errcode: 61023, errmsg: 'refresh' });
    state.refresh = `REFRESH-${++state.account}`;
    const next = { authorizer_refresh_token: state.refresh };
    respond({ authorizer_access_token: `ACCOUNT-${state.account}`, expires_in: 7200, ...next });
  });
  const source = { type: 'component', componentAppId: 'wxcomponent' } as const;
  const SHOP = account({ secret: 'secret-of-the-platform', tokenSource: source });
  return { ...setup(t, platform.url), platform, state, SHOP };
}

test('an account of a third-party platform waits for the first ticket, then gets its token', async (t) => {
  const { process, secrets, SHOP, lines, state } = await component(t);
  const tokens = process();
  assert.equal(await codeOf(tokens.get(SHOP, NEVER)), 'component_ticket_missing');
  await storeTicket(secrets, SHOP, 'ticket@@@1');
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-1');
  assert.equal(state.info, 1, 'the refresh token is requested, because none is configured');
  const atRest = [...secrets.values.values()].join();
  assert.doesNotMatch(atRest + lines.join(''), /ticket@@@1|REFRESH-|ACCOUNT-1|COMPONENT-1/);
});

test('a rotated refresh token is stored beyond the process, and a configured one that is too old is replaced', async (t) => {
  const { process, secrets, SHOP, state, time } = await component(t);
  await storeTicket(secrets, SHOP, 'ticket@@@1');
  const configured = {
    ...SHOP,
    tokenSource: { ...SHOP.tokenSource, refreshToken: 'REFRESH-0' } as TokenSource,
  };
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-1');
  time.nowMs += 7_000_000;
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-2');
  assert.equal(state.info, 0);
  state.refresh = 'REFRESH-of-a-new-authorisation';
  time.nowMs += 7_000_000;
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-3');
  assert.equal(state.info, 1);
});

test('a refused token of the third-party platform is replaced once', async (t) => {
  const { process, secrets, SHOP, state, time, platform } = await component(t);
  await storeTicket(secrets, SHOP, 'ticket@@@1');
  const tokens = process();
  await tokens.get(SHOP, NEVER);
  assert.equal(state.component, 1);
  state.validComponent = 'replaced from outside';
  time.nowMs += 6_950_000;
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-2');
  assert.equal(state.component, 2);
  const paths = platform.requests.map(({ url }) => url.replace(/\?.*/, '').replace(/.*\//, ''));
  assert.ok(paths.length <= 6, paths.join());
});

test('a ticket that WeChat refuses holds the account until the next ticket arrives', async (t) => {
  const { process, secrets, SHOP } = await component(t);
  const tokens = process();
  await storeTicket(secrets, SHOP, 'ticket@@@0');
  const error = await tokens.get(SHOP, NEVER).catch((reason: unknown) => reason);
  assert.ok(error instanceof FailureError);
  assert.deepEqual([error.failure.errcode, error.failure.class], [61006, 'account']);
  await storeTicket(secrets, SHOP, 'ticket@@@1');
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-1');
});
