/** Where webhooks may be sent: the text of an address, and the address of the machine when it is connected to. */
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { describe, it } from 'node:test';
import type { AllowList } from '../../../src/config/values/kinds.ts';
import { allowList } from '../../../src/config/values/kinds.ts';
import { brokenRule } from '../../../src/pipeline/webhooks/webhook-address.ts';
import { createWebhookClient } from '../../../src/pipeline/webhooks/webhook-client.ts';
import { createSecret } from '../../../src/signing-secret.ts';
import { ok, openWebhookReceiver } from './receivers.ts';

const NONE: AllowList = { hosts: [], networks: [] };
const allowedOf = (text: string): AllowList => {
  const parsed = allowList().parse(text);
  assert.ok('value' in parsed, text);
  return parsed.value;
};
const message = () => ({ id: 'evt_1', sentAt: new Date(), body: '{}' });
const { signal } = new AbortController();

describe('the address of a webhook', () => {
  it('public addresses may be used over https, on any port', () => {
    for (const url of [
      'https://example.com/hook?key=1',
      'https://example.com:8443',
      'https://93.184.216.34/',
      'https://[2606:2800:220:1::1]/',
      'https://例子.测试/',
    ])
      assert.equal(brokenRule(url, NONE), undefined, url);
  });

  it('each other address breaks a rule that is named', () => {
    for (const [url, rule] of [
      ['example.com/hook', 'not_a_url'],
      ['/hook', 'not_a_url'],
      ['https:example.com', 'not_a_url'],
      ['https://', 'not_a_url'],
      ['ftp://example.com/', 'not_http'],
      ['file:///etc/passwd', 'not_http'],
      ['https://user:secret@example.com/', 'credentials'],
      ['https://user@example.com/', 'credentials'],
      ['https://example.com/#x', 'fragment'],
      ['http://example.com/', 'not_https'],
      ['http://127.0.0.1/', 'not_https'],
      ['https://localhost/', 'private'],
      ['https://LOCALHOST./', 'private'],
      ['https://a.localhost/', 'private'],
      ['https://metadata.google.internal/', 'private'],
      ['https://printer.local/', 'private'],
      ['https://127.0.0.1/', 'private'],
      ['https://127.1/', 'private'],
      ['https://0x7f.1/', 'private'],
      ['https://2130706433/', 'private'],
      ['https://0177.0.0.1/', 'private'],
      ['https://0.0.0.0/', 'private'],
      ['https://10.1.2.3/', 'private'],
      ['https://172.31.0.1/', 'private'],
      ['https://192.168.1.1./', 'private'],
      ['https://100.64.0.1/', 'private'],
      ['https://169.254.169.254/latest/meta-data/', 'private'],
      ['https://168.63.129.16/', 'private'],
      ['https://224.0.0.1/', 'private'],
      ['https://255.255.255.255/', 'private'],
      ['https://[::1]/', 'private'],
      ['https://[::]/', 'private'],
      ['https://[::ffff:127.0.0.1]/', 'private'],
      ['https://[::ffff:a00:1]/', 'private'],
      ['https://[64:ff9b::7f00:1]/', 'private'],
      ['https://[64:ff9b:1::a00:1]/', 'private'],
      ['https://[2002:7f00:1::]/', 'private'],
      ['https://[2001:0:7f00:1::]/', 'private'],
      ['https://[fe80::1]/', 'private'],
      ['https://[fd00::1]/', 'private'],
      ['https://[ff02::1]/', 'private'],
    ] as const)
      assert.equal(brokenRule(url, NONE), rule, url);
  });

  it('WEBHOOK_ALLOW_HOSTS allows http and private addresses, but no credentials', () => {
    const allowed = allowedOf('hooks.lan:8080, receiver, 10.0.0.0/8,[fd00::1]:9000,192.168.1.7');
    for (const url of [
      'http://hooks.lan:8080/',
      'http://receiver/',
      'http://receiver.:81/',
      'http://10.9.9.9:1/',
      'https://[::ffff:10.0.0.1]/',
      'http://[fd00::1]:9000/',
      'http://192.168.1.7/',
    ])
      assert.equal(brokenRule(url, allowed), undefined, url);
    assert.equal(brokenRule('http://hooks.lan:8081/', allowed), 'not_https');
    assert.equal(brokenRule('https://192.168.1.8/', allowed), 'private');
    assert.equal(brokenRule('https://a:b@receiver/', allowed), 'credentials');
  });

  it('a list with a scheme, a wildcard or a wrong network is a mistake', () => {
    for (const text of ['http://receiver', '*.lan', '10.0.0.0/33', 'lan/8', 'a,,b'])
      assert.ok('wrong' in allowList().parse(text), text);
  });
});

describe('the address that is connected to', () => {
  const resolving =
    (...addresses: string[]) =>
    (
      _name: string,
      _options: unknown,
      callback: (error: Error | null, found: LookupAddress[]) => void,
    ): void =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it('a public name that leads to a private address is refused, also if only one of its addresses is', async (t) => {
    for (const addresses of [
      ['127.0.0.1'],
      ['93.184.216.34', '10.0.0.1'],
      ['::1'],
      ['::ffff:169.254.169.254'],
    ]) {
      const client = createWebhookClient({ allowed: NONE, resolve: resolving(...addresses) });
      t.after(() => client.close());
      const result = await client.send('https://rebound.example.com/', message(), [createSecret()], signal);
      assert.equal(result.reason, 'address_refused', addresses.join());
    }
  });

  it('a private address that is in the row nevertheless is refused before anything is sent', async (t) => {
    const receiver = await openWebhookReceiver(t, createSecret);
    const client = createWebhookClient({ allowed: NONE });
    t.after(() => client.close());
    const result = await client.send(receiver.url, message(), [createSecret()], signal);
    assert.equal(result.reason, 'address_refused');
    assert.equal(receiver.received.length, 0);
  });

  it('a name that leads into an allowed network is connected to', async (t) => {
    const receiver = await openWebhookReceiver(t, createSecret, ok);
    const port = new URL(receiver.url).port;
    const allowed = allowedOf(`127.0.0.0/8,receiver.lan:${port}`);
    const client = createWebhookClient({ allowed, resolve: resolving('127.0.0.1') });
    t.after(() => client.close());
    const result = await client.send(
      `https://other.example.com:${port}/`,
      message(),
      [createSecret()],
      signal,
    );
    // It was connected to, and speaks no TLS.
    assert.equal(result.reason, 'tls');
  });
});
