import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { composeMessage } from '../../../src/simulator/callbacks/messages.ts';
import { parseRange, RANGE_BYTES_MAX } from '../../../src/simulator/media/ranges.ts';
import { ACCOUNT, errcodeOf, setup, WECOM, WECOM_TWIN } from '../setup.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe('tokens of WeCom', () => {
  it('gettoken returns the same token until it expires, another for each app', async (t) => {
    const { wecomToken, pass } = await setup(t);
    const first = await wecomToken();
    pass(7_199_000);
    assert.equal(await wecomToken(), first);
    assert.notEqual(await wecomToken(WECOM_TWIN), first);
    pass(1000);
    assert.notEqual(await wecomToken(), first);
  });

  it('gettoken refuses an unknown corp, a wrong secret, and the secret of another corp', async (t) => {
    const foreign = { ...WECOM, account: 'wwelse-1', appId: 'wwelse', secret: 'secret-of-another-corp' };
    const { simulator } = await setup(t, { accounts: [ACCOUNT, WECOM, foreign] });
    const ask = async (corpid: string, corpsecret: string) =>
      errcodeOf(await fetch(`${simulator.url}/cgi-bin/gettoken?corpid=${corpid}&corpsecret=${corpsecret}`));
    assert.equal(await ask('wwcorp', WECOM.secret), 0);
    assert.equal(await ask('wwnobody', WECOM.secret), 40013);
    assert.equal(await ask(ACCOUNT.appId, ACCOUNT.secret), 40013);
    assert.equal(await ask('wwcorp', 'wrong'), 40001);
    assert.equal(await ask('wwcorp', foreign.secret), 40091);
    assert.equal(await ask('', WECOM.secret), 41002);
    assert.equal(await ask('wwcorp', ''), 41004);
  });

  it('media/get refuses tokens with 41001, 40014 and 42001, never 40001', async (t) => {
    const { wecomToken, get, pass, simulator } = await setup(t);
    const token = await wecomToken();
    assert.equal(await errcodeOf(await get('x', '')), 41001);
    assert.equal(await errcodeOf(await get('x', 'nonsense')), 40014);
    simulator.invalidateTokens(WECOM.account);
    assert.equal(await errcodeOf(await get('x', token)), 40014);
    const next = await wecomToken();
    assert.equal(await errcodeOf(await get('x', next)), 40007);
    pass(7_201_000);
    assert.equal(await errcodeOf(await get('x', next)), 42001);
  });
});

describe('files of WeCom', () => {
  it('every app of a corp can download its files, and no other account', async (t) => {
    const { wecomToken, tokenOf, get, simulator } = await setup(t);
    const mediaId = simulator.mint(WECOM.account, { kind: 'image', seed: 1 });
    for (const account of [WECOM, WECOM_TWIN])
      assert.equal(
        (await bytesOf(await get(mediaId, await wecomToken(account)))).subarray(0, 2).toString('hex'),
        'ffd8',
      );
    assert.equal(await errcodeOf(await get(mediaId, await tokenOf())), 40007);
  });

  it('ranges come with 206, Accept-Ranges and Content-Range, and together are the file', async (t) => {
    const { wecomToken, get, simulator } = await setup(t);
    const token = await wecomToken();
    const mediaId = simulator.mint(WECOM.account, { kind: 'file', seed: 1, sizeBytes: 300_000 });
    const { sizeBytes, sha256: expected } = (await simulator.digestOf(WECOM.account, mediaId))!;
    const pieces = [];
    for (let start = 0; start < sizeBytes; start += 100_001) {
      const response = await get(mediaId, token, { range: `bytes=${start}-${start + 100_000}` });
      const end = Math.min(start + 100_000, sizeBytes - 1);
      assert.equal(response.status, 206);
      assert.equal(response.headers.get('accept-ranges'), 'bytes');
      assert.equal(response.headers.get('content-range'), `bytes ${start}-${end}/${sizeBytes}`);
      assert.equal(response.headers.get('content-length'), String(end - start + 1));
      pieces.push(await bytesOf(response));
    }
    assert.equal(sha256(Buffer.concat(pieces)), expected);
    assert.equal((await get(mediaId, token, { range: `bytes=${sizeBytes}-` })).status, 416);
  });

  it('a file that is too large without a Range, and a range that is too large, get 830002', async (t) => {
    const { wecomToken, get, simulator } = await setup(t);
    const token = await wecomToken();
    const mediaId = simulator.mint(WECOM.account, { kind: 'file', seed: 1, sizeBytes: RANGE_BYTES_MAX + 1 });
    assert.equal(await errcodeOf(await get(mediaId, token)), 830_002);
    assert.equal(await errcodeOf(await get(mediaId, token, { range: 'bytes=0-' })), 830_002);
    const last = await get(mediaId, token, { range: `bytes=${RANGE_BYTES_MAX}-` });
    assert.equal((await bytesOf(last)).length, 1);
    const small = simulator.mint(WECOM.account, { kind: 'file', seed: 1, sizeBytes: RANGE_BYTES_MAX });
    assert.equal((await bytesOf(await get(small, token))).length, RANGE_BYTES_MAX);
  });

  it('official accounts ignore a Range', async (t) => {
    const { tokenOf, get, simulator } = await setup(t);
    const mediaId = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    const response = await get(mediaId, await tokenOf(), { range: 'bytes=0-9' });
    assert.equal(response.status, 200);
    assert.ok((await bytesOf(response)).length > 10);
  });

  it('rangeIgnored sends the whole file, rangeWrong a wrong Content-Range', async (t) => {
    const { wecomToken, get, simulator } = await setup(t);
    const token = await wecomToken();
    const ask = (name: 'rangeIgnored' | 'rangeWrong') => {
      const mediaId = simulator.mint(WECOM.account, { kind: 'file', seed: 1, fault: { name } });
      return get(mediaId, token, { range: 'bytes=0-9' });
    };
    const whole = await ask('rangeIgnored');
    assert.equal(whole.status, 200);
    assert.ok((await bytesOf(whole)).length > 10);
    const wrong = await ask('rangeWrong');
    assert.equal(wrong.status, 206);
    assert.match(wrong.headers.get('content-range')!, /^bytes 1-10\//);
    assert.equal((await bytesOf(wrong)).length, 10);
  });

  it('files that look like an errcode or a page have a Content-disposition', async (t) => {
    const { wecomToken, get, simulator } = await setup(t);
    for (const [kind, type, name] of [
      ['jsonFile', 'application/json', 'response-7.json'],
      ['htmlFile', 'text/html', '网页-7.html'],
      ['file', 'application/octet-stream', '季度报告-7.pdf'],
    ] as const) {
      const mediaId = simulator.mint(WECOM.account, { kind, seed: 7 });
      const response = await get(mediaId, await wecomToken());
      assert.equal(response.headers.get('content-type'), type);
      const contentDisposition = response.headers.get('content-disposition')!;
      assert.ok(
        contentDisposition.startsWith(`attachment; filename*=utf-8''${encodeURIComponent(name)}; filename="`),
      );
      assert.ok(Buffer.from(contentDisposition, 'latin1').toString().endsWith(`filename="${name}"`));
      const bytes = await bytesOf(response);
      assert.equal(sha256(bytes), (await simulator.digestOf(WECOM.account, mediaId))!.sha256);
      if (kind === 'jsonFile') assert.equal(JSON.parse(bytes.toString()).errcode, 40007);
    }
  });
});

describe('voices of the JS-SDK', () => {
  it('a JS-SDK voice is speex at /jssdk and AMR without; other files are the same at both', async (t) => {
    const { tokenOf, simulator } = await setup(t);
    const token = await tokenOf();
    const ask = (mediaId: string, path: string) =>
      fetch(`${simulator.url}/cgi-bin/media/get${path}?access_token=${token}&media_id=${mediaId}`);
    const voice = simulator.mint(ACCOUNT.account, { kind: 'jssdkVoice', seed: 1 });
    const good = await ask(voice, '/jssdk');
    assert.equal(good.headers.get('content-type'), 'voice/speex');
    assert.equal(good.headers.get('content-disposition'), `attachment; filename="${voice}.speex"`);
    const digest = await simulator.digestOf(ACCOUNT.account, voice, 'jssdk');
    assert.equal(sha256(await bytesOf(good)), digest!.sha256);
    assert.match((await bytesOf(await ask(voice, ''))).toString('latin1'), /^#!AMR\n/);
    const other = simulator.mint(ACCOUNT.account, { kind: 'voice', seed: 1 });
    assert.equal((await ask(other, '/jssdk')).headers.get('content-type'), 'audio/amr');
  });
});

describe('SILK voices', () => {
  it('a SILK voice has the name and type of AMR', async (t) => {
    const { tokenOf, get, simulator } = await setup(t);
    const spec = { account: ACCOUNT.account, kind: 'voice', fileKind: 'silkVoice', seed: 1 } as const;
    const [mediaId] = composeMessage(simulator, spec).mediaIds;
    const response = await get(mediaId!, await tokenOf());
    assert.equal(response.headers.get('content-type'), 'audio/amr');
    assert.match(response.headers.get('content-disposition')!, /\.amr"$/);
    assert.match((await bytesOf(response)).toString('latin1'), /^\x02#!SILK_V3/);
  });
});

describe('parseRange', () => {
  for (const [header, range] of [
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-200', { start: 90, end: 99 }],
    ['bytes=5-', { start: 5, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=100-', 'beyond'],
    ['bytes=9-5', undefined],
    ['bytes 0-9', undefined],
    ['bytes=-', undefined],
    [undefined, undefined],
  ] as const) {
    it(`${header} of 100 bytes is ${JSON.stringify(range)}`, () =>
      assert.deepEqual(parseRange(header, 100), range));
  }
});
