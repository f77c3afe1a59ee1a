/** An embedded S3 server in a new folder, an SDK client for it, and requests signed or changed by hand. */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { pino } from 'pino';
import { type EmbeddedS3Options, openEmbeddedS3 } from '../../../src/embedded/s3/server.ts';

export const CREDENTIALS = {
  accessKeyId: 'AKTEST',
  secretAccessKey: 'a-secret-of-the-test',
  region: 'eu-test-1',
};
export const BUCKET = 'archive';

/** SHA-256 for the signer, which takes a class. */
class Sha256 {
  readonly hash;
  constructor(secret?: string | Uint8Array) {
    this.hash = secret ? createHmac('sha256', secret) : createHash('sha256');
  }
  update(data: string | Uint8Array) {
    this.hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.hash.digest());
  }
}

export const signer = new SignatureV4({
  credentials: CREDENTIALS,
  region: CREDENTIALS.region,
  service: 's3',
  sha256: Sha256 as never,
  uriEscapePath: false,
});

export interface HandMade {
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** The value of x-amz-content-sha256; default UNSIGNED-PAYLOAD. */
  payload?: string;
  at?: Date;
}

export async function setup(t: TestContext, overrides: Partial<EmbeddedS3Options> = {}) {
  const folder = overrides.folder ?? (await mkdtemp(join(tmpdir(), 'embedded-s3-')));
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const clock = { now: () => new Date() };
  const start = () =>
    openEmbeddedS3({
      folder,
      bucket: BUCKET,
      ...CREDENTIALS,
      clock,
      log,
      fsync: false,
      freeSpaceFloorBytes: 0,
      ...overrides,
    });
  const server = await start();
  const { host, port } = new URL(server.endpoint);
  const clients: S3Client[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const client = (config: Partial<S3ClientConfig> = {}) => {
    const made = new S3Client({
      endpoint: server.endpoint,
      region: CREDENTIALS.region,
      credentials: CREDENTIALS,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      ...config,
    });
    clients.push(made);
    return made;
  };

  const toSign = ({ method, path, query = {}, headers = {}, payload = 'UNSIGNED-PAYLOAD' }: HandMade) => ({
    method,
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: Number(port),
    path,
    query,
    headers: { host, 'x-amz-content-sha256': payload, ...headers },
  });
  /** Returns headers with a valid signature. */
  const sign = async (made: HandMade) =>
    (await signer.sign(toSign(made), made.at ? { signingDate: made.at } : {})).headers as Record<
      string,
      string
    >;
  /** Returns a URL with the signature in its query. */
  const presign = async (made: HandMade, expiresIn = 60) => {
    const signed = await signer.presign(toSign(made), {
      expiresIn,
      ...(made.at ? { signingDate: made.at } : {}),
    });
    const query = new URLSearchParams(signed.query as Record<string, string>)
      .toString()
      .replaceAll('+', '%20');
    return `${server.endpoint}${made.path}?${query}`;
  };

  /** Writes bytes to a raw socket, half-closes it with `hangUp`, and resolves with everything received. */
  const raw = async (pieces: readonly (string | Uint8Array)[], options: { hangUp?: boolean } = {}) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    const chunks: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => chunks.push(bytes));
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    for (const piece of pieces) socket.write(piece);
    if (options.hangUp) socket.end();
    await closed;
    return Buffer.concat(chunks).toString('latin1');
  };
  const head = (method: string, target: string, headers: Record<string, string>) =>
    `${method} ${target} HTTP/1.1\r\n${Object.entries({ ...headers, connection: 'close' })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`;

  /** Lists the names of all files below a folder of the store. */
  const files = async (name: string) =>
    (await readdir(join(folder, name), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);

  return { folder, server, host, lines, client, sign, presign, raw, head, files, start };
}

export const codeOf = (xml: string) => /<Code>(\w+)<\/Code>/.exec(xml)?.[1];
export const sha256Hex = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
