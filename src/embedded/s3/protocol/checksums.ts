/** The checksums S3 clients send along, by the names of their headers. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from './responses.ts';

export interface Checksum {
  update(bytes: Uint8Array): void;
  /** Base64, as in `x-amz-checksum-…`. */
  digest(): string;
}

/** Castagnoli's polynomial, reflected; node:zlib offers the other CRC32 only. */
const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(bytes: Uint8Array, previous: number): number {
  let value = ~previous;
  for (let index = 0; index < bytes.length; index++)
    value = CRC32C_TABLE[(value ^ bytes[index]!) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}

function cyclic(step: (bytes: Uint8Array, previous: number) => number): Checksum {
  let value = 0;
  return {
    update: (bytes) => {
      value = step(bytes, value);
    },
    digest: () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes.toString('base64');
    },
  };
}

function cryptographic(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('base64') };
}

const CHECKSUMS: Record<string, () => Checksum> = {
  'x-amz-checksum-crc32': () => cyclic(crc32),
  'x-amz-checksum-crc32c': () => cyclic(crc32c),
  'x-amz-checksum-sha1': () => cryptographic('sha1'),
  'x-amz-checksum-sha256': () => cryptographic('sha256'),
};

/** Headers of the family that carry no digest. */
const NOT_A_DIGEST = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type']);

export const isChecksumHeader = (name: string) =>
  name.startsWith('x-amz-checksum-') && !NOT_A_DIGEST.has(name);

/** @throws S3Error NotImplemented, rather than storing bytes whose checksum nobody looked at. */
export function createChecksum(header: string): Checksum {
  const create = Object.hasOwn(CHECKSUMS, header) ? CHECKSUMS[header] : undefined;
  if (!create)
    throw new S3Error('NotImplemented', `${header} is not implemented; use CRC32, CRC32C, SHA1 or SHA256.`);
  return create();
}
