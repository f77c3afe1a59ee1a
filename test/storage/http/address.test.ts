import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddress } from '../../../src/storage/http/address.ts';

test('the bucket is in the host, in the path or in neither, as the addressing demands', () => {
  const at = (addressing: 'virtual' | 'path' | 'cname', endpoint: string) => {
    const address = createAddress({ endpoint, bucket: 'media', addressing });
    return address.origin + address.pathOf("wx1/a b+'!.jpg");
  };
  assert.equal(at('path', 'http://10.0.0.1:9000'), 'http://10.0.0.1:9000/media/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('path', 'https://host/s3/'), 'https://host/s3/media/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('virtual', 'https://cos.x.com'), 'https://media.cos.x.com/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('cname', 'https://img.me.cn'), 'https://img.me.cn/wx1/a%20b%2B%27%21.jpg');
});
