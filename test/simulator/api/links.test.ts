import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResponseFault } from '../../../src/simulator/media/media-id.ts';
import { assertGood, setupFaulty } from '../faults/faulty-download.ts';
import { ACCOUNT, setup } from '../setup.ts';

type Test = Parameters<typeof setupFaulty>[0];

async function linked(t: Test, fault: ResponseFault) {
  const bundle = await setupFaulty(t, fault, 'video');
  const link = async () => ((await (await bundle.ask()).json()) as { video_url: string }).video_url;
  return { ...bundle, link };
}
const totals = ({ simulator }: Awaited<ReturnType<typeof setup>>) => simulator.requestLog.report().totals;

describe('links of the simulator', () => {
  it('videoUrlLate responds 404 for some time, then with the video', async (t) => {
    const { link, pass, sizeBytes } = await linked(t, { name: 'videoUrlLate', amount: 5000 });
    const url = await link();
    pass(4999);
    assert.equal((await fetch(url)).status, 404);
    pass(1);
    await assertGood(await fetch(url), sizeBytes);
  });

  it('videoUrlForbidden responds 403 at first, also at a new link', async (t) => {
    const { link, sizeBytes } = await linked(t, { name: 'videoUrlForbidden', amount: 1 });
    assert.equal((await fetch(await link())).status, 403);
    await assertGood(await fetch(await link()), sizeBytes);
  });

  it('videoUrlShort ends its vkey, and a new link works', async (t) => {
    const { link, pass, sizeBytes } = await linked(t, { name: 'videoUrlShort', amount: 1000 });
    const url = await link();
    pass(1000);
    assert.equal((await fetch(url)).status, 403);
    await assertGood(await fetch(await link()), sizeBytes);
  });

  it('videoUrlCut ends half of the video with FIN, then sends it whole', async (t) => {
    const { link, sizeBytes } = await linked(t, { name: 'videoUrlCut', amount: 1 });
    const url = await link();
    await assert.rejects((await fetch(url)).arrayBuffer());
    await assertGood(await fetch(url), sizeBytes);
  });

  it('videoUrlRedirect, videoUrlForeignHost and redirect lead to a host that counts its requests', async (t) => {
    const redirected = await linked(t, { name: 'videoUrlRedirect' });
    const response = await fetch(await redirected.link(), { redirect: 'manual' });
    assert.equal(response.status, 302);
    assert.ok(response.headers.get('location')!.startsWith(`http://${redirected.simulator.foreignHost}/`));
    assert.equal(totals(redirected).foreignHostRequests, 0);
    await (await fetch(response.headers.get('location')!)).text();
    assert.equal(totals(redirected).foreignHostRequests, 1);
    const off = await linked(t, { name: 'videoUrlForeignHost' });
    assert.equal(new URL(await off.link()).host, off.simulator.foreignHost);
    const media = await setupFaulty(t, { name: 'redirect' });
    await (await media.ask()).text();
    assert.equal(totals(media).foreignHostRequests, 1, 'a client that follows is caught');
    assert.equal(totals(media).leaks, 0, 'the token stood in the address before');
  });

  it('videoUrlPrivate leads to the address of a metadata service', async (t) => {
    const { link } = await linked(t, { name: 'videoUrlPrivate' });
    assert.equal(new URL(await link()).hostname, '169.254.169.254');
  });

  it('requests of links with a token, a cookie, a Referer or an Authorization are counted as leaks', async (t) => {
    const bundle = await linked(t, { name: 'videoUrl' });
    const url = await bundle.link();
    for (const headers of [{ cookie: 'a=b' }, { referer: 'http://x/' }, { authorization: 'Bearer x' }])
      await (await fetch(url, { headers: headers as Record<string, string> })).arrayBuffer();
    await (await fetch(`${url}&access_token=x`)).arrayBuffer();
    assert.equal(totals(bundle).leaks, 4);
    await (await fetch(url)).arrayBuffer();
    assert.equal(totals(bundle).leaks, 4);
  });

  it('links can have public addresses, and work with or without the domain in the path', async (t) => {
    const { simulator, tokenOf, get } = await setup(t, {
      publicUrls: {
        videos: 'http://203.205.137.89/vweixinp.tc.qq.com',
        pictures: 'http://mmbiz.qpic.cn',
        foreign: 'http://example.com',
      },
    });
    const fault = { name: 'videoUrl' } as const;
    const video = simulator.mint(ACCOUNT.account, { kind: 'video', seed: 1, fault });
    const { video_url } = (await (await get(video, await tokenOf())).json()) as { video_url: string };
    const link = new URL(video_url);
    assert.equal(link.host, '203.205.137.89');
    assert.match(link.pathname, /^\/vweixinp\.tc\.qq\.com\/1007_/);
    const bare = `${link.pathname.replace('/vweixinp.tc.qq.com', '')}${link.search}`;
    for (const path of [link.pathname + link.search, bare])
      assert.equal((await fetch(simulator.url + path)).status, 200);
    const picture = new URL(simulator.picUrl(simulator.mint(ACCOUNT.account, { kind: 'image', seed: 1 })));
    assert.equal(picture.host, 'mmbiz.qpic.cn');
    assert.equal((await fetch(simulator.url + picture.pathname)).status, 200);
  });
});
