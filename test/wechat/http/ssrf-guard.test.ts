import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import {
  checkLink,
  isPublicAddress,
  resolvePublicAddress,
  ssrfGuardedLookup,
} from '../../../src/wechat/http/ssrf-guard.ts';

const NEVER = new AbortController().signal;

const refused = (error: unknown) => error instanceof FailureError && error.failure.code === 'address_refused';

test('public addresses are distinguished from all others', () => {
  for (const address of ['203.205.137.89', '61.182.130.30', '8.8.8.8', '2402:4e00::1', '2606:4700::1111']) {
    assert.ok(isPublicAddress(address), address);
  }
  const others = [
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.0.23',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '192.0.0.192',
    '198.18.0.1',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:8.8.8.8',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:168.63.129.16',
    '::ffff:0:a9fe:a9fe',
    '64:ff9b::a83f:8110',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a83f:8110::',
    '::7f00:1',
    '64:ff9b::7f00:1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'localhost',
    '',
  ];
  for (const address of others) assert.ok(!isPublicAddress(address), address);
});

test('links to hosts of WeChat are allowed', () => {
  const links = [
    'http://203.205.137.89/vweixinp.tc.qq.com/1007_ab.f10.mp4?vkey=1',
    'http://203.205.137.89:443/vweixinp.tc.qq.com/1007_ab.f10.mp4',
    'http://vweixinp.tc.qq.com/1007_ab.f10.mp4',
    'https://mmbiz.qpic.cn/mmbiz_jpg/x/0',
    'http://mp.weixin.qq.com/mp/mp/video',
    'http://[2402:4e00::1]/vweixinp.tc.qq.com/a',
  ];
  for (const link of links) assert.equal(checkLink(new URL(link), []), 'guarded', link);
});

test('other links are refused, however they are written', () => {
  const links = [
    'http://127.0.0.1/vweixinp.tc.qq.com/a',
    'http://2130706433/vweixinp.tc.qq.com/a',
    'http://0x7f.1/vweixinp.tc.qq.com/a',
    'http://017700000001/vweixinp.tc.qq.com/a',
    'http://169.254.169.254/vweixinp.tc.qq.com/../latest/meta-data',
    'http://[::ffff:127.0.0.1]/vweixinp.tc.qq.com/a',
    'http://[::ffff:203.205.137.89]/vweixinp.tc.qq.com/a',
    'http://203.205.137.89/etc/passwd',
    'http://203.205.137.89/vweixinp.tc.qq.com.evil.example/a',
    'http://203.205.137.89/vweixinp.tc.qq.com/../admin',
    'http://203.205.137.89:8080/vweixinp.tc.qq.com/a',
    'http://203.205.137.89:22/vweixinp.tc.qq.com/a',
    'http://user:pass@vweixinp.tc.qq.com/a',
    'http://vweixinp.tc.qq.com@evil.example/a',
    'http://evil.example/vweixinp.tc.qq.com/a',
    'http://tc.qq.com.evil.example/a',
    'http://eviltc.qq.com/a',
    'http://localhost/a',
    'ftp://vweixinp.tc.qq.com/a',
    'file:///etc/passwd',
    'javascript:alert(1)',
  ];
  for (const link of links) assert.throws(() => checkLink(new URL(link), []), refused, link);
});

test('FETCH_ALLOW_HOSTS allows further hosts, with or without a port', () => {
  const link = new URL('http://127.0.0.1:9000/a.mp4');
  assert.equal(checkLink(link, ['127.0.0.1']), 'trusted');
  assert.equal(checkLink(link, ['127.0.0.1:9000']), 'trusted');
  assert.equal(checkLink(new URL('http://Minio.Internal/a'), ['minio.internal:80']), 'trusted');
  assert.throws(() => checkLink(link, ['127.0.0.1:9001', 'localhost']), refused);
  assert.throws(() => checkLink(new URL('ftp://127.0.0.1/a'), ['127.0.0.1']), refused);
});

test('a refusal does not contain the path or the key of a link', () => {
  const check = () => checkLink(new URL('http://10.0.0.1/private?vkey=KEY'), []);
  assert.throws(check, (error) => refused(error) && !/private|KEY/.test(String((error as Error).stack)));
});

test('a connection is made only to checked addresses, and only where all addresses of a name are public', async () => {
  const answering = (...addresses: string[]) => {
    const found: LookupAddress[] = addresses.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    return (_name: string, _options: object, callback: (error: null, found: LookupAddress[]) => void) =>
      callback(null, found);
  };
  assert.equal(
    await resolvePublicAddress('a.tc.qq.com', answering('203.205.137.89'), NEVER),
    '203.205.137.89',
  );
  assert.equal(await resolvePublicAddress('[2402:4e00::1]', answering(), NEVER), '2402:4e00::1');
  for (const addresses of [['127.0.0.1'], ['203.205.137.89', '10.0.0.1'], ['::ffff:127.0.0.1']]) {
    await assert.rejects(resolvePublicAddress('a.tc.qq.com', answering(...addresses), NEVER), refused);
  }
  await assert.rejects(resolvePublicAddress('a.tc.qq.com', answering(), NEVER));
  const controller = new AbortController();
  const silent = resolvePublicAddress('a.tc.qq.com', () => {}, controller.signal);
  controller.abort(new Error('the name server does not respond'));
  await assert.rejects(silent, /does not respond/);
  const all = await new Promise((resolved) => {
    ssrfGuardedLookup(answering('203.205.137.89', '2402:4e00::1'))(
      'a.tc.qq.com',
      { all: true },
      (_error, found) => resolved(found),
    );
  });
  assert.deepEqual(all, [
    { address: '203.205.137.89', family: 4 },
    { address: '2402:4e00::1', family: 6 },
  ]);
});

test('cloud metadata services are not reached, however their address is written', () => {
  const hosts = [
    '168.63.129.16',
    '2822734096',
    '0xa83f8110',
    '0250.077.0201.020',
    '168.63.33040',
    '169.254.169.254',
    '2852039166',
    '0xa9.0xfe.0xa9.0xfe',
    '169.254.169.254.',
    '１６９.254.169.254',
    '100.100.100.200',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '[::ffff:a83f:8110]',
    '[64:ff9b::169.254.169.254]',
    '[2002:a9fe:a9fe::]',
  ];
  for (const host of hosts) {
    const url = new URL(`http://${host}/vweixinp.tc.qq.com/1.mp4`);
    assert.throws(() => checkLink(url, []), refused, host);
  }
});
