import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { SignatureV4 } from '@smithy/signature-v4';
import { createAddress } from '../../../src/storage/http/address.ts';
import { EMPTY_SHA256 } from '../../../src/storage/http/signed-request.ts';
import { createSigner, type UnsignedRequest } from '../../../src/storage/http/signing.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html
const host = 'examplebucket.s3.amazonaws.com';
const now = new Date('2013-05-24T00:00:00Z');
const region = 'us-east-1';
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const empty = { 'x-amz-content-sha256': EMPTY_SHA256 };

const EXAMPLES: readonly (readonly [string, UnsignedRequest, string])[] = [
  [
    'an object is read in part',
    { method: 'GET', path: '/test.txt', headers: { range: 'bytes=0-9', ...empty } },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'an object is written',
    {
      method: 'PUT',
      path: '/test%24file.text',
      headers: {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      },
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'a query without a value is signed',
    { method: 'GET', path: '/', query: { lifecycle: '' }, headers: empty },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'a query is signed in the order of its names',
    { method: 'GET', path: '/', query: { prefix: 'J', 'max-keys': '2' }, headers: empty },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
];

test("Amazon's examples get their published signatures", () => {
  const signer = createSigner({ region, credentials });
  for (const [name, request, signature] of EXAMPLES)
    assert.ok(signer.sign({ host }, request, now).authorization?.endsWith(`Signature=${signature}`), name);
  const query = signer.presign(
    { host },
    { method: 'GET', path: '/test.txt' },
    { signedAt: now, expiresInSeconds: 86_400 },
  );
  assert.equal(query['X-Amz-Signature'], 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404');
});

test("our signer signs like the SDK's, on several days and with a session token", async () => {
  class Keyed {
    readonly #hash;
    constructor(secret?: Parameters<typeof createHmac>[1]) {
      this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
    }
    update(data: Uint8Array): void {
      this.#hash.update(data);
    }
    async digest(): Promise<Uint8Array> {
      return this.#hash.digest();
    }
  }
  for (const keys of [credentials, { ...credentials, sessionToken: 'a/session+token==' }]) {
    const theirs = new SignatureV4({
      service: 's3',
      region,
      credentials: keys,
      sha256: Keyed as never,
      uriEscapePath: false,
      applyChecksum: false,
    });
    const ours = createSigner({ region, credentials: keys });
    for (const endpoint of ['http://127.0.0.1:9000', 'https://s3.example.com']) {
      const address = createAddress({ endpoint, bucket: 'media', addressing: 'path' });
      for (const at of ['2026-01-01T23:59:59.999Z', '2026-01-02T00:00:00Z', '2026-01-01T12:00:00Z']) {
        const request = {
          method: 'PUT',
          path: address.pathOf("wx1/2026/a b+'!(1)*.jpg"),
          query: { partNumber: '10', uploadId: 'a/b+c= d*', 'x-id': 'ä' },
          headers: {
            'content-type': 'image/jpeg',
            'content-disposition': `inline;  filename="a   b.jpg"`,
            'cache-control': 'private',
            'x-amz-meta-wma-id': 'm_1',
            ...empty,
          },
        };
        const { hostname, protocol, port } = address;
        const { headers } = await theirs.sign(
          {
            ...request,
            headers: { ...request.headers, host: address.host },
            hostname,
            protocol,
            ...(port ? { port } : {}),
          },
          { signingDate: new Date(at) },
        );
        assert.deepEqual(ours.sign(address, request, new Date(at)), headers);
      }
    }
  }
});
