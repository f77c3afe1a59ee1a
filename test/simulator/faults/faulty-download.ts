/** A media item with a response fault, and two ways to download it. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { ResponseFault, SimulatedKind } from '../../../src/simulator/media/media-id.ts';
import { ACCOUNT, setup } from '../setup.ts';

/** Resolves with everything that the socket receives until it closes, and the error that closed it. */
function readRaw(
  url: string,
  path: string,
): Promise<{ head: string; body: Buffer; error: string | undefined }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let error: string | undefined;
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: simulator\r\n\r\n`),
    );
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (reason: NodeJS.ErrnoException) => {
      error = reason.code;
    });
    socket.on('close', () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf('\r\n\r\n');
      resolve({ head: all.toString('latin1', 0, end), body: all.subarray(end + 4), error });
    });
  });
}

export async function setupFaulty(t: TestContext, fault: ResponseFault, kind: SimulatedKind = 'image') {
  const bundle = await setup(t);
  const { simulator } = bundle;
  const token = await bundle.tokenOf();
  const mediaId = simulator.mint(ACCOUNT.account, { kind, seed: 1, fault });
  const path = `/cgi-bin/media/get?access_token=${token}&media_id=${mediaId}`;
  const { sizeBytes } = (await simulator.digestOf(ACCOUNT.account, mediaId))!;
  return {
    ...bundle,
    mediaId,
    sizeBytes,
    ask: () => fetch(simulator.url + path),
    raw: () => readRaw(simulator.url, path),
  };
}

export async function assertGood(response: Response, sizeBytes: number) {
  assert.equal((await response.arrayBuffer()).byteLength, sizeBytes);
  assert.equal(response.headers.get('content-length'), String(sizeBytes));
}
