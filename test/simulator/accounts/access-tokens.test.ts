import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNT, OTHER, setup } from '../setup.ts';

interface TokenResponse {
  access_token?: string;
  expires_in?: number;
  errcode?: number;
  errmsg?: string;
}
const MINUTE_MS = 60_000;

describe('access tokens', () => {
  it('stable_token returns the same token until less than five minutes are left', async (t) => {
    const { stable, pass, simulator, get } = await setup(t);
    const ask = async () => (await (await stable()).json()) as TokenResponse;
    const first = await ask();
    assert.equal(first.expires_in, 7200);
    assert.match(first.access_token!, /^9\d_[\w-]{100,}$/);
    pass(114 * MINUTE_MS);
    assert.deepEqual(await ask(), { ...first, expires_in: 360 });
    pass(2 * MINUTE_MS);
    const second = await ask();
    assert.notEqual(second.access_token, first.access_token);
    assert.equal(second.expires_in, 7200);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    for (const { access_token } of [first, second])
      assert.equal((await get(mediaId, access_token!)).headers.get('content-type'), 'audio/amr');
    pass(5 * MINUTE_MS);
    const expired = (await (await get(mediaId, first.access_token!)).json()) as TokenResponse;
    assert.equal(expired.errcode, 42001);
  });

  it('stable_token by force invalidates the earlier token, not twice in 30 s, at most 20 times a day', async (t) => {
    const { stable, pass, get } = await setup(t);
    const force = async () => (await (await stable({ force_refresh: true })).json()) as TokenResponse;
    const before = (await (await stable()).json()) as TokenResponse;
    const forced = await force();
    assert.notEqual(forced.access_token, before.access_token);
    assert.equal(((await (await get('x', before.access_token!)).json()) as TokenResponse).errcode, 40001);
    assert.equal((await force()).access_token, forced.access_token);
    for (let times = 1; times < 20; times++) {
      pass(31_000);
      assert.equal((await force()).errcode, undefined);
    }
    pass(31_000);
    assert.equal((await force()).errcode, 45009);
  });

  it('a classic token replaces the earlier one, which works five minutes more', async (t) => {
    const { simulator, pass, get, tokenOf } = await setup(t);
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    const ask = async () => ((await (await fetch(url)).json()) as TokenResponse).access_token!;
    const errcodeWith = async (token: string) =>
      ((await (await get('x', token)).json()) as TokenResponse).errcode;
    const stable = await tokenOf();
    const first = await ask();
    const second = await ask();
    assert.notEqual(first, second);
    assert.equal(await errcodeWith(first), 40007, 'the token is still good: only the media id is not');
    pass(5 * MINUTE_MS);
    assert.equal(await errcodeWith(first), 40001);
    assert.equal(await errcodeWith(second), 40007);
    assert.equal(await errcodeWith(stable), 40007, 'the stable token is not affected');
  });

  it('without an overlap two refreshers invalidate each other’s classic tokens', async (t) => {
    const { simulator, get } = await setup(t, { tokenOverlapMs: 0 });
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`;
    const refresh = async () => ((await (await fetch(url)).json()) as TokenResponse).access_token!;
    let mine = await refresh();
    for (let repeat = 0; repeat < 3; repeat++) {
      const theirs = await refresh();
      assert.equal(((await (await get('x', mine)).json()) as TokenResponse).errcode, 40001);
      mine = await refresh();
      assert.equal(((await (await get('x', theirs)).json()) as TokenResponse).errcode, 40001);
      assert.equal(((await (await get('x', mine)).json()) as TokenResponse).errcode, 40007);
    }
  });

  it('a call for a token is refused with the errcode of the reason', async (t) => {
    const { simulator, stable } = await setup(t);
    const classic = (query: string) => fetch(`${simulator.url}/cgi-bin/token?${query}`);
    const grant = 'grant_type=client_credential';
    for (const [response, errcode] of [
      [await stable({ appid: 'wx9' }), 40013],
      [await stable({ appid: '' }), 41002],
      [await stable({ secret: '' }), 41004],
      [await stable({ secret: 'wrong' }), 40125],
      [await stable({ grant_type: 'password' }), 40002],
      [await fetch(`${simulator.url}/cgi-bin/stable_token`), 43002],
      [await fetch(`${simulator.url}/cgi-bin/stable_token`, { method: 'POST', body: '{' }), 47001],
      [await classic(`${grant}&appid=${ACCOUNT.appId}&secret=wrong`), 40001],
      [await classic(`${grant}&appid=wx9&secret=wrong`), 40013],
      [await classic(`appid=${ACCOUNT.appId}&secret=${ACCOUNT.secret}`), 40002],
    ] as const) {
      assert.equal(response.status, 200);
      const body = (await response.json()) as TokenResponse;
      assert.equal(body.errcode, errcode);
      assert.match(body.errmsg!, / rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/);
    }
    assert.equal(simulator.requestLog.report().totals.tokensRefused, 10);
  });

  it('missing, malformed, invalid and foreign tokens get different errcodes', async (t) => {
    const { get, tokenOf, simulator } = await setup(t);
    const token = await tokenOf();
    const tampered = token.slice(0, 20) + (token[20] === 'A' ? 'B' : 'A') + token.slice(21);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'image', seed: 1 });
    for (const [given, errcode] of [
      ['', 41001],
      ['nonsense', 40014],
      [tampered, 40001],
      [await tokenOf(OTHER), 40007],
    ] as const) {
      const response = await get(mediaId, given);
      assert.equal(response.headers.get('content-type'), 'text/plain');
      assert.equal(((await response.json()) as TokenResponse).errcode, errcode);
    }
  });

  it('invalidated tokens are refused, and the next one is valid', async (t) => {
    const { get, tokenOf, simulator } = await setup(t);
    const token = await tokenOf();
    const url = `${simulator.url}/__simulator/invalidate-token?account=${ACCOUNT.account}`;
    assert.equal((await fetch(url, { method: 'POST' })).status, 200);
    assert.equal(((await (await get('x', token)).json()) as TokenResponse).errcode, 40001);
    const next = await tokenOf();
    assert.notEqual(next, token);
    assert.equal(((await (await get('x', next)).json()) as TokenResponse).errcode, 40007);
  });

  it('tokens outlive a restart of the simulator', async (t) => {
    const first = await setup(t);
    const token = await first.tokenOf();
    await first.simulator.close();
    const second = await setup(t);
    assert.equal(((await (await second.get('x', token)).json()) as TokenResponse).errcode, 40007);
  });
});
