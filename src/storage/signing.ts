/** SigV4 over @smithy/signature-v4: one signer for our own requests, the SDK's and links. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Address } from './address.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Unsigned {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly headers: Record<string, string>;
}

export interface Signer {
  /** The headers to send. The payload's hash must be among them as x-amz-content-sha256. */
  sign(address: Address, request: Unsigned, now: Date): Promise<Record<string, string>>;
  /** The query of a presigned request; it holds for `expiresInSeconds` from `signedAt`. */
  presign(
    address: Address,
    request: Unsigned,
    options: { signedAt: Date; expiresInSeconds: number },
  ): Promise<Record<string, string>>;
}

const keyOf = (secret: string | ArrayBuffer | ArrayBufferView): string | Uint8Array => {
  if (typeof secret === 'string') return secret;
  return ArrayBuffer.isView(secret)
    ? new Uint8Array(secret.buffer, secret.byteOffset, secret.byteLength)
    : new Uint8Array(secret);
};

/** The hash the signer makes its signatures with, keyed or plain, on node:crypto. */
class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', keyOf(secret));
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): never {
    throw new Error('a signature hash is used once');
  }
}

export function createSigner(options: { region: string; credentials: Credentials }): Signer {
  const signature = new SignatureV4({
    service: 's3',
    region: options.region,
    credentials: { ...options.credentials },
    sha256: Sha256,
    // S3 signs the path as it is sent; the other services encode it twice.
    uriEscapePath: false,
    applyChecksum: false,
  });
  const shape = (address: Address, request: Unsigned) => ({
    ...request,
    query: request.query ?? {},
    headers: { ...request.headers, host: address.host },
    protocol: address.protocol,
    hostname: address.hostname,
    ...(address.port === undefined ? {} : { port: address.port }),
  });
  return {
    sign: async (address, request, now) =>
      (await signature.sign(shape(address, request), { signingDate: now })).headers,
    presign: async (address, request, { signedAt, expiresInSeconds }) => {
      const headers = { ...request.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
      const signed = await signature.presign(shape(address, { ...request, headers }), {
        signingDate: signedAt,
        expiresIn: expiresInSeconds,
        unhoistableHeaders: new Set(['x-amz-content-sha256']),
        unsignableHeaders: new Set(['x-amz-content-sha256']),
      });
      return signed.query as Record<string, string>;
    },
  };
}
