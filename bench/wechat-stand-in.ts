/** Stands in for WeChat: media/get returns as many bytes as the media id says. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { serveParent } from './child.ts';

const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex');
const MP4 = Buffer.from('0000002066747970', 'hex');
const MP4_BRAND = Buffer.from('isom\x00\x00\x02\x00isomiso2avc1mp41', 'latin1');
const PIECE_BYTES = 256 * 1024;

const noise = randomBytes(PIECE_BYTES);

/**
 * `image-102400`, `video-52428800`, `video-52428800-chunked` (no length in the headers; the encoding has an end),
 * `video-52428800-closed` (the end of the connection is the only end); a serial number follows a dot.
 */
interface Media {
  readonly kind: 'image' | 'video';
  readonly sizeBytes: number;
  readonly end: 'length' | 'chunked' | 'closed';
}

function parse(mediaId: string): Media {
  const [, kind, size, end] = /^(image|video)-(\d+)(?:-(chunked|closed))?(?:\.|$)/.exec(mediaId) ?? [];
  if (!kind) throw new Error(`not a media id of the benchmark: ${mediaId}`);
  return { kind: kind as Media['kind'], sizeBytes: Number(size), end: (end ?? 'length') as Media['end'] };
}

function* piecesOf({ kind, sizeBytes }: Media): Generator<Buffer> {
  const magic = kind === 'image' ? JPEG : Buffer.concat([MP4, MP4_BRAND]);
  for (let left = sizeBytes, first = true; left > 0; first = false) {
    const size = Math.min(left, PIECE_BYTES);
    const piece = first
      ? Buffer.concat([magic, noise.subarray(magic.length, size)])
      : noise.subarray(0, size);
    yield piece;
    left -= size;
  }
}

const pictures = new Map<number, Buffer>();
function pictureOf(media: Media): Buffer {
  const body = pictures.get(media.sizeBytes) ?? Buffer.concat([...piecesOf(media)]);
  pictures.set(media.sizeBytes, body);
  return body;
}

const latencyMs = Number(process.env.LATENCY_MS ?? 0);

const server = createServer((request, response) => {
  if (latencyMs > 0) setTimeout(() => respond(request, response), latencyMs);
  else respond(request, response);
});

function respond(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://origin.invalid');
  if (url.pathname === '/cgi-bin/stable_token') {
    request.resume();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ access_token: 'benchmark-access-token', expires_in: 7200 }));
    return;
  }
  const media = parse(url.searchParams.get('media_id') ?? '');
  response.setHeader('content-type', media.kind === 'image' ? 'image/jpeg' : 'video/mp4');
  response.setHeader('content-disposition', `attachment; filename="${media.kind}.bin"`);
  if (media.end === 'length') response.setHeader('content-length', media.sizeBytes);
  if (media.end === 'closed') response.removeHeader('transfer-encoding');
  if (media.kind === 'image') response.end(pictureOf(media));
  // A client that disconnects is no error here.
  else pipeline(Readable.from(piecesOf(media), { objectMode: false }), response).catch(() => undefined);
}

server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () =>
  serveParent({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
);
