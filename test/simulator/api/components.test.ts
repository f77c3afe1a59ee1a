import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ACCOUNT, COMPONENT, OTHER, setup } from '../setup.ts';

type ApiResponse = Record<string, unknown> & { errcode?: number };

async function setupPlatform(t: TestContext) {
  const bundle = await setup(t);
  const { simulator, post } = bundle;
  const json = async (path: string, body: unknown) => (await (await post(path, body)).json()) as ApiResponse;
  const own = (more: object = {}) =>
    json('/cgi-bin/component/api_component_token', {
      component_appid: COMPONENT.appId,
      component_appsecret: COMPONENT.secret,
      component_verify_ticket: simulator.components.ticket(COMPONENT.appId),
      ...more,
    });
  const token = async () => (await own()).component_access_token as string;
  const authorizer = async (refreshToken: string, given?: string, account = ACCOUNT) =>
    json(`/cgi-bin/component/api_authorizer_token?component_access_token=${given ?? (await token())}`, {
      component_appid: COMPONENT.appId,
      authorizer_appid: account.appId,
      authorizer_refresh_token: refreshToken,
    });
  return { ...bundle, json, own, token, authorizer };
}

describe('third-party platform', () => {
  it('a ticket of the last twelve hours gets a component token', async (t) => {
    const { own, simulator, pass } = await setupPlatform(t);
    const ticket = simulator.components.ticket(COMPONENT.appId);
    assert.equal((await own()).expires_in, 7200);
    assert.equal((await own({ component_appsecret: 'wrong' })).errcode, 40125);
    assert.equal((await own({ component_appid: 'wx9' })).errcode, 40013);
    assert.equal((await own({ component_verify_ticket: 'mine' })).errcode, 61006);
    pass(12 * 3_600_000 - 1);
    assert.equal((await own({ component_verify_ticket: ticket })).errcode, undefined);
    pass(1);
    assert.equal((await own({ component_verify_ticket: ticket })).errcode, 61006);
  });

  it('each token of an account comes with a new refresh token; an old one gets 61023', async (t) => {
    const { authorizer, simulator, get } = await setupPlatform(t);
    const first = simulator.components.refreshToken(ACCOUNT.account);
    const response = await authorizer(first);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    const media = await get(mediaId, response.authorizer_access_token as string);
    assert.equal(media.headers.get('content-type'), 'audio/amr');
    assert.equal((await authorizer(first)).errcode, 61023);
    const second = response.authorizer_refresh_token as string;
    assert.equal((await authorizer(second)).expires_in, 7200);
    const third = simulator.components.rotateRefreshToken(ACCOUNT.account);
    assert.notEqual(third, second);
    assert.equal((await authorizer(third)).errcode, undefined);
  });

  it('api_get_authorizer_info returns the valid refresh token', async (t) => {
    const { json, token, authorizer, simulator } = await setupPlatform(t);
    await authorizer(simulator.components.refreshToken(ACCOUNT.account));
    const path = `/cgi-bin/component/api_get_authorizer_info?component_access_token=${await token()}`;
    const body = { component_appid: COMPONENT.appId, authorizer_appid: ACCOUNT.appId };
    const { authorization_info } = (await json(path, body)) as {
      authorization_info: { authorizer_refresh_token: string };
    };
    assert.equal((await authorizer(authorization_info.authorizer_refresh_token)).errcode, undefined);
  });

  it('missing, forged and expired component tokens are refused, and accounts without authorisation', async (t) => {
    const { authorizer, token, pass, simulator } = await setupPlatform(t);
    const refresh = () => simulator.components.refreshToken(ACCOUNT.account);
    const own = await token();
    assert.equal((await authorizer(refresh(), '')).errcode, 41001);
    assert.equal((await authorizer(refresh(), `${own}x`)).errcode, 40001);
    assert.equal((await authorizer(refresh(), own, OTHER)).errcode, 61003);
    pass(7_200_000);
    assert.equal((await authorizer(refresh(), own)).errcode, 42001);
    simulator.components.unauthorize(ACCOUNT.account);
    assert.equal((await authorizer(refresh())).errcode, 61003);
  });
});
