/**
 * The floor: what cannot be undercut with Node, undici and S3 – a GET, one sha256, signed PUTs, the signature written
 * out by hand with its daily key kept. No judgement of first bytes, no lengths proven, no timeouts, no repeats.
 */
import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Agent } from 'undici';
import { BUCKET, type File, KEYS, type OpenVariant, REGION, sourceUrl } from './variant.ts';

const PART_BYTES = 8 * 1024 * 1024;
const UNSIGNED = 'UNSIGNED-PAYLOAD';
const EMPTY = createHash('sha256').digest('hex');
const hmac = (key: string | Buffer | KeyObject, text: string) =>
  createHmac('sha256', key).update(text).digest();

function createSigning(host: string) {
  // A KeyObject: createHmac takes 2 µs with it and 13 µs with a buffer.
  const kept = { day: '', key: createSecretKey(Buffer.alloc(32)) };
  return (method: string, path: string, query: string, payload: string): Record<string, string> => {
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const day = time.slice(0, 8);
    if (kept.day !== day) {
      kept.day = day;
      kept.key = createSecretKey(
        [REGION, 's3', 'aws4_request'].reduce(hmac, hmac(`AWS4${KEYS.secretAccessKey}`, day)),
      );
    }
    const signed = 'host;x-amz-content-sha256;x-amz-date';
    const canonical = `${method}\n${path}\n${query}\nhost:${host}\nx-amz-content-sha256:${payload}\nx-amz-date:${time}\n\n${signed}\n${payload}`;
    const scope = `${day}/${REGION}/s3/aws4_request`;
    const digest = createHash('sha256').update(canonical).digest('hex');
    const signature = createHmac('sha256', kept.key)
      .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`)
      .digest('hex');
    return {
      'x-amz-content-sha256': payload,
      'x-amz-date': time,
      authorization: `AWS4-HMAC-SHA256 Credential=${KEYS.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
    };
  };
}

type Body = Buffer | AsyncIterable<Buffer> | Iterable<Buffer>;

function createFloor({ originUrl, sinkUrl }: Parameters<OpenVariant>[0]) {
  const agent = new Agent();
  const sign = createSigning(new URL(sinkUrl).host);
  let serial = 0;

  async function download(file: File): Promise<AsyncIterable<Buffer>> {
    const url = new URL(sourceUrl(originUrl, file));
    const { statusCode, body } = await agent.request({
      origin: originUrl,
      path: url.pathname + url.search,
      method: 'GET',
    });
    if (statusCode !== 200) throw new Error(`the origin answered ${statusCode}`);
    return body;
  }

  async function send(
    method: 'PUT' | 'POST',
    path: string,
    query: string,
    payload: string,
    body?: { data: Body; sizeBytes: number },
  ): Promise<{ text: string; etag: string }> {
    const headers = sign(method, path, query, payload);
    if (body) headers['content-length'] = String(body.sizeBytes);
    const answer = await agent.request({
      origin: sinkUrl,
      path: query ? `${path}?${query}` : path,
      method,
      headers,
      ...(body ? { body: body.data as Buffer } : {}),
    });
    const text = method === 'POST' ? await answer.body.text() : '';
    if (method === 'PUT') await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`the sink answered ${answer.statusCode}`);
    return { text, etag: String(answer.headers.etag) };
  }

  const newPath = () => `/${BUCKET}/floor-${++serial}`;
  return { download, send, newPath };
}

/** In memory, hashed on the way in, one PUT with the hash: what a picture needs. */
export const openFloorWhole: OpenVariant = (ends) => {
  const { download, send, newPath } = createFloor(ends);
  return {
    move: async (file) => {
      const hash = createHash('sha256');
      const chunks: Buffer[] = [];
      for await (const chunk of await download(file)) {
        hash.update(chunk);
        chunks.push(chunk);
      }
      const data = file.sizeBytes <= 512 * 1024 ? Buffer.concat(chunks) : chunks;
      await send('PUT', newPath(), '', hash.digest('hex'), { data, sizeBytes: file.sizeBytes });
    },
  };
};

/** One streaming PUT, hashed as it passes: the cheapest for a large file of known length; cannot be repeated. */
export const openFloorStream: OpenVariant = (ends) => {
  const { download, send, newPath } = createFloor(ends);
  return {
    move: async (file) => {
      const hash = createHash('sha256');
      const source = await download(file);
      async function* hashed() {
        for await (const chunk of source) {
          hash.update(chunk);
          yield chunk;
        }
      }
      await send('PUT', newPath(), '', UNSIGNED, { data: hashed(), sizeBytes: file.sizeBytes });
      hash.digest('hex');
    },
  };
};

/**
 * Parts of 8 MiB, two in flight. `proven`: each part is signed with a hash of its own beside the whole file's, so that
 * the store refuses any other bytes. `twice`: a length that is not told is proven by a first download.
 */
const openFloorParts =
  (how: { proven: boolean; twice: boolean }): OpenVariant =>
  (ends) => {
    const { download, send, newPath } = createFloor(ends);
    return {
      move: async (file) => {
        if (how.twice) {
          const first = createHash('sha256');
          for await (const chunk of await download(file)) first.update(chunk);
          first.digest('hex');
        }
        const path = newPath();
        const source = await download(file);
        const { text } = await send('POST', path, 'uploads=', EMPTY);
        const id = /<UploadId>([^<]+)/.exec(text)![1]!;
        const hash = createHash('sha256');
        const inFlight = new Set<Promise<unknown>>();
        let number = 0;
        const openPart = () => ({
          chunks: [] as Buffer[],
          sizeBytes: 0,
          hash: how.proven ? createHash('sha256') : undefined,
        });
        let part = openPart();
        const flush = async () => {
          if (inFlight.size >= 2) await Promise.race(inFlight);
          const payload = part.hash?.digest('hex') ?? UNSIGNED;
          const query = `partNumber=${++number}&uploadId=${id}`;
          const sending = send('PUT', path, query, payload, {
            data: part.chunks,
            sizeBytes: part.sizeBytes,
          }).finally(() => inFlight.delete(sending));
          inFlight.add(sending);
          part = openPart();
        };
        const add = (chunk: Buffer) => {
          part.chunks.push(chunk);
          part.sizeBytes += chunk.length;
          part.hash?.update(chunk);
        };
        for await (const chunk of source) {
          hash.update(chunk);
          const room = PART_BYTES - part.sizeBytes;
          add(chunk.length > room ? chunk.subarray(0, room) : chunk);
          if (chunk.length >= room) {
            await flush();
            if (chunk.length > room) add(chunk.subarray(room));
          }
        }
        if (part.sizeBytes > 0) await flush();
        await Promise.all(inFlight);
        hash.digest('hex');
        const list = Array.from({ length: number }, (_, index) => `<Part>${index + 1}</Part>`).join('');
        const data = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
        await send('POST', path, `uploadId=${id}`, UNSIGNED, { data, sizeBytes: data.length });
      },
    };
  };

export const openFloorMultipart = openFloorParts({ proven: false, twice: false });
export const openFloorProven = openFloorParts({ proven: true, twice: false });
export const openFloorTwice = openFloorParts({ proven: true, twice: true });
