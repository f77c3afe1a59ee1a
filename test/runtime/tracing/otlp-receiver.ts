/** A receiver of traces: OTLP over HTTP, decoded by the field numbers of opentelemetry-proto (trace/v1/trace.proto). */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

type Value = string | number | boolean;

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: a root. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly links: readonly { traceId: string; spanId: string }[];
  readonly events: number;
  readonly isError: boolean;
  readonly statusText: string;
  readonly resource: Readonly<Record<string, Value>>;
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  readonly requests: readonly { path: string; headers: IncomingHttpHeaders; body: Buffer }[];
  /** Responds with this status from now on. */
  respondWith(status: number): void;
  /** Resolves with all spans as soon as `isComplete` is true of them; throws with their names after a minute. */
  until(
    what: string,
    isComplete: (spans: readonly ReceivedSpan[]) => boolean,
  ): Promise<readonly ReceivedSpan[]>;
}

const LIMIT_MS = 60_000;
const LOOK_MS = 20;
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** `tls`: the PEM of key and certificate. */
export async function openOtlpReceiver(
  t: { after(fn: () => unknown): void },
  options: { port?: number; tls?: { key: string; cert: string } } = {},
): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: { path: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];
  let status = 200;
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      requests.push({ path: request.url ?? '', headers: request.headers, body });
      if (status === 200) spans.push(...decode(body));
      response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
    });
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}`,
    spans,
    requests,
    respondWith: (next) => {
      status = next;
    },
    until: async (what, isComplete) => {
      const deadline = performance.now() + LIMIT_MS;
      while (!isComplete(spans)) {
        const seen = spans.map(({ name, traceId }) => `${traceId} ${name}`).join('\n');
        if (performance.now() > deadline) throw new Error(`not received: ${what}; but\n${seen}`);
        await wait(LOOK_MS);
      }
      return spans;
    },
  };
}

/** A message as its fields: the number of the field and its value, a Buffer for texts, bytes and messages. */
function* fieldsOf(message: Buffer): Generator<[field: number, value: Buffer | bigint]> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const field = tag >> 3;
    switch (tag & 7) {
      case 0:
        yield [field, varint()];
        break;
      case 1:
        yield [field, message.readBigUInt64LE(at)];
        at += 8;
        break;
      case 2: {
        const size = Number(varint());
        yield [field, message.subarray(at, at + size)];
        at += size;
        break;
      }
      case 5:
        yield [field, BigInt(message.readUInt32LE(at))];
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7} of field ${field}`);
    }
  }
}

const all = (message: Buffer, field: number) =>
  [...fieldsOf(message)].flatMap(([number, value]) => (number === field ? [value] : []));
const messages = (message: Buffer, field: number) => all(message, field) as Buffer[];
const text = (message: Buffer, field: number) => messages(message, field)[0]?.toString('utf8') ?? '';
const hex = (message: Buffer, field: number) => messages(message, field)[0]?.toString('hex') ?? '';
const number = (message: Buffer, field: number) => (all(message, field)[0] as bigint | undefined) ?? 0n;

function anyValueOf(any: Buffer): Value {
  for (const [field, value] of fieldsOf(any)) {
    if (field === 1) return (value as Buffer).toString('utf8');
    if (field === 2) return value === 1n;
    if (field === 3) return Number(BigInt.asIntN(64, value as bigint));
    if (field === 4) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value as bigint);
      return bytes.readDoubleLE();
    }
  }
  return '';
}

const attributesOf = (message: Buffer, field: number): Record<string, Value> =>
  Object.fromEntries(
    messages(message, field).map((pair) => [text(pair, 1), anyValueOf(messages(pair, 2)[0]!)]),
  );

function decode(body: Buffer): ReceivedSpan[] {
  return messages(body, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1)[0] ?? Buffer.alloc(0), 1);
    const spans = messages(resourceSpans, 2).flatMap((scopeSpans) => messages(scopeSpans, 2));
    return spans.map((span) => {
      const status = messages(span, 15)[0] ?? Buffer.alloc(0);
      return {
        traceId: hex(span, 1),
        spanId: hex(span, 2),
        parentId: hex(span, 4),
        name: text(span, 5),
        kind: KINDS[Number(number(span, 6))] ?? 'internal',
        startedAtMs: Number(number(span, 7)) / 1e6,
        endedAtMs: Number(number(span, 8)) / 1e6,
        attributes: attributesOf(span, 9),
        links: messages(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
        events: messages(span, 11).length,
        isError: number(status, 3) === 2n,
        statusText: text(status, 2),
        resource,
      };
    });
  });
}
