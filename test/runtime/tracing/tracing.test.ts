/** The tracer as a receiver sees it, and what becomes of spans that cannot be sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import * as stable from '@opentelemetry/semantic-conventions';
import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import { failure } from '../../../src/failures.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createShutdown } from '../../../src/runtime/shutdown.ts';
import { ATTRIBUTES } from '../../../src/runtime/tracing/attributes.ts';
import { openTracing } from '../../../src/runtime/tracing/open-tracing.ts';
import { setStatus, traceRequest, traceWebhook } from '../../../src/runtime/tracing/requests.ts';
import type { TraceSettings } from '../../../src/runtime/tracing/settings.ts';
import { NO_TRACER, type Tracer } from '../../../src/runtime/tracing/tracer.ts';
import { certificatesForTest } from '../../machine/certificates.ts';
import { freePort } from '../../machine/server.ts';
import { openOtlpReceiver } from './otlp-receiver.ts';

const PROCESS = { program: 'worker', version: '1.2.3', instance: 'host (worker, 1)' };
const ITEM = { id: 'm_0123456789abcdef0123456789abcdef' };
const CALLER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

async function setup(t: TestContext, changes: Partial<TraceSettings> = {}) {
  const receiver = await openOtlpReceiver(t);
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  let tracer: Tracer = NO_TRACER;
  const log = createLog({
    level: 'info',
    program: 'test',
    secrets: [],
    fields: () => tracer.logFields(),
    write: (line) => void lines.push(JSON.parse(line)),
  });
  const shutdown = createShutdown(log);
  const settings: TraceSettings = {
    url: `${receiver.url}/v1/traces`,
    headers: {},
    timeoutMs: 10_000,
    authority: undefined,
    serviceName: 'archiver',
    resourceAttributes: {},
    sampler: { root: 'on', isParentBased: true, ratio: 1 },
    ...changes,
  };
  const tracing = await openTracing(settings, PROCESS);
  ({ tracer } = tracing);
  tracing.report({ log, metrics, shutdown });
  const close = () => shutdown.run('the test');
  t.after(close);
  const lost = async () =>
    (await metrics.backgroundErrors.get()).values.find(({ labels }) => labels.loop === 'traces')?.value;
  return { receiver, tracer, log, lines, close, lost };
}

test('the names of attributes are those of the semantic conventions, or begin with wma', () => {
  const known = new Set<unknown>(Object.values({ ...stable, ...incubating }));
  const ours = Object.values(ATTRIBUTES).filter((name) => !name.startsWith('wma.'));
  assert.ok(ours.length > 10);
  assert.deepEqual(
    ours.filter((name) => !known.has(name)),
    [],
  );
});

describe('a span', () => {
  test('is sent with its resource, and spans inside it are its children', async (t) => {
    const { tracer, receiver, close } = await setup(t, {
      headers: { 'x-tenant': 'shop' },
      resourceAttributes: { 'deployment.environment.name': 'test', 'service.name': 'another' },
    });
    await tracer.run({ name: 'outer', kind: 'consumer', attributes: { [ATTRIBUTES.account]: 'wx1' } }, () =>
      tracer.run({ name: 'inner' }, async () => undefined),
    );
    await close();
    const [inner, outer] = receiver.spans;
    assert.deepEqual([inner!.name, outer!.name, outer!.kind], ['inner', 'outer', 'consumer']);
    assert.equal(inner!.parentId, outer!.spanId);
    assert.equal(inner!.traceId, outer!.traceId);
    assert.equal(outer!.parentId, '');
    assert.deepEqual(outer!.attributes, { 'wma.account': 'wx1' });
    const { 'service.name': name, 'service.version': version, 'wma.program': program } = outer!.resource;
    assert.deepEqual([name, version, program], ['archiver', '1.2.3', 'worker']);
    assert.equal(outer!.resource['deployment.environment.name'], 'test');
    assert.equal(receiver.requests[0]!.path, '/v1/traces');
    assert.equal(receiver.requests[0]!.headers['x-tenant'], 'shop');
  });

  test('of an item belongs to the trace of its row, or to the one that its id stands for', async (t) => {
    const { tracer, receiver, close } = await setup(t);
    const later = { ...ITEM, traceparent: CALLER };
    await tracer.run({ name: 'around' }, async () => {
      await tracer.run({ name: 'of the caller', item: later, linksParent: true }, async () => undefined);
      tracer.start({ name: 'first', item: ITEM }).end();
      tracer.start({ name: 'second', item: ITEM }).end();
      tracer.start({ name: 'inside' }).end();
    });
    await close();
    const of = (name: string) => receiver.spans.find((span) => span.name === name)!;
    assert.equal(of('of the caller').traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
    assert.equal(of('of the caller').parentId, '00f067aa0ba902b7');
    assert.deepEqual(of('of the caller').links, [
      { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' },
    ]);
    for (const name of ['first', 'second'])
      assert.deepEqual([of(name).traceId, of(name).parentId], [ITEM.id.slice(2), '']);
    assert.equal(of('inside').traceId, of('around').traceId);
    assert.notEqual(of('around').traceId, ITEM.id.slice(2));
  });

  test('that fails has the code of the failure or the class of the error, and no text of it', async (t) => {
    const { tracer, receiver, close } = await setup(t);
    const secret = 'text-from-outside';
    await assert.rejects(
      tracer.run({ name: 'failure' }, async () => {
        throw failure('timeout', secret);
      }),
    );
    await assert.rejects(
      tracer.run({ name: 'error' }, async () => {
        throw new TypeError(secret);
      }),
    );
    await close();
    const types = receiver.spans.map(({ name, isError, attributes }) => [
      name,
      isError,
      attributes['error.type'],
    ]);
    assert.deepEqual(types, [
      ['failure', true, 'timeout'],
      ['error', true, 'TypeError'],
    ]);
    assert.ok(receiver.spans.every(({ events, statusText }) => events === 0 && statusText === ''));
    assert.ok(!receiver.requests.some(({ body }) => body.includes(secret)));
  });

  test('puts its ids into log lines until it ends, but not into those of a timer that it left behind', async (t) => {
    const { tracer, log, lines, receiver, close } = await setup(t);
    let late: (() => void) | undefined;
    const after = new Promise<void>((resolve) => {
      late = resolve;
    });
    const logged = tracer.run({ name: 'logging' }, async () => {
      log.info('inside');
      return { left: after.then(() => log.info('late')) };
    });
    const { left } = await logged;
    late?.();
    await left;
    log.info('outside');
    await close();
    const line = (msg: string) => lines.find((one) => one.msg === msg)!;
    const [span] = receiver.spans;
    assert.equal(line('inside').trace_id, span!.traceId);
    assert.equal(line('inside').span_id, span!.spanId);
    for (const msg of ['late', 'outside']) assert.ok(!('trace_id' in line(msg)), msg);
  });
});

describe('a sampler', () => {
  const spansOf = async (t: TestContext, sampler: TraceSettings['sampler'], traceparent?: string) => {
    const { tracer, receiver, close } = await setup(t, { sampler });
    for (let n = 0; n < 50; n++) {
      const parent = traceparent === undefined ? {} : { parent: traceparent };
      await tracer.run({ name: 'n', ...parent }, async () => undefined);
    }
    await close();
    return receiver.spans.length;
  };
  const notSampled = CALLER.replace(/01$/, '00');

  test('off records nothing, unless the caller recorded and its decision holds', async (t) => {
    const off = { root: 'off', ratio: 1 } as const;
    assert.equal(await spansOf(t, { ...off, isParentBased: true }), 0);
    assert.equal(await spansOf(t, { ...off, isParentBased: true }, CALLER), 50);
    assert.equal(await spansOf(t, { ...off, isParentBased: false }, CALLER), 0);
  });

  test('on records all, but those of a caller that does not record only if its decision does not hold', async (t) => {
    const on = { root: 'on', ratio: 1 } as const;
    assert.equal(await spansOf(t, { ...on, isParentBased: true }, notSampled), 0);
    assert.equal(await spansOf(t, { ...on, isParentBased: false }, notSampled), 50);
  });

  test('by ratio records a share', async (t) => {
    const share = await spansOf(t, { root: 'ratio', isParentBased: true, ratio: 0.5 });
    assert.ok(share > 0 && share < 50, String(share));
    assert.equal(await spansOf(t, { root: 'ratio', isParentBased: true, ratio: 0 }), 0);
  });
});

describe('a request', () => {
  test('records the server but neither path nor query of its address, unless the path is given', async (t) => {
    const { tracer, receiver, close } = await setup(t);
    const url = 'https://hooks.example.com/key-in-path/1?token=key-in-query';
    await traceWebhook(tracer, { url, type: 'media.archived', item: ITEM }, async (span) =>
      setStatus(span, 503),
    );
    const request = {
      method: 'GET',
      url: 'http://127.0.0.1:8080/x?access_token=key',
      path: '/cgi-bin/media/get',
    };
    await traceRequest(tracer, request, async (span) => setStatus(span, 200));
    await close();
    const [webhook, get] = receiver.spans;
    assert.equal(webhook!.name, 'POST webhook');
    assert.equal(webhook!.traceId, ITEM.id.slice(2));
    assert.ok(webhook!.isError);
    assert.deepEqual(webhook!.attributes, {
      'http.request.method': 'POST',
      'server.address': 'hooks.example.com',
      'server.port': 443,
      'url.full': 'https://hooks.example.com/',
      'wma.event.type': 'media.archived',
      'wma.media.id': ITEM.id,
      'http.response.status_code': 503,
      'error.type': '503',
    });
    assert.deepEqual(get!.attributes, {
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': 8080,
      'url.full': 'http://127.0.0.1:8080/cgi-bin/media/get',
      'url.template': '/cgi-bin/media/get',
      'http.response.status_code': 200,
    });
    assert.ok(!get!.isError);
    assert.ok(!receiver.requests.some(({ body }) => body.includes('key')));
  });

  test('that checks and probes make too has a span only inside another', async (t) => {
    const { tracer, receiver, close } = await setup(t);
    const request = { method: 'HEAD', url: 'http://store', onlyInside: true };
    assert.equal(await traceRequest(tracer, request, async () => 'done'), 'done');
    await tracer.run({ name: 'outer' }, () => traceRequest(tracer, request, async () => undefined));
    await close();
    assert.deepEqual(
      receiver.spans.map(({ name }) => name),
      ['HEAD', 'outer'],
    );
  });
});

describe('spans that cannot be sent', () => {
  const one = (tracer: Tracer) => tracer.start({ name: 'lost' }).end();

  test('are counted and logged without the words of the receiver, and later spans arrive', async (t) => {
    const { tracer, receiver, lines, lost } = await setup(t);
    assert.equal(await lost(), 0);
    receiver.respondWith(401);
    one(tracer);
    const { until } = receiver;
    await until('a refused request', () => lines.some(({ msg }) => msg === 'traces: spans lost'));
    const { reason, spans } = lines.find(({ msg }) => msg === 'traces: spans lost')!;
    assert.deepEqual({ reason, spans }, { reason: 'HTTP 401', spans: 1 });
    assert.equal(await lost(), 1);
    receiver.respondWith(200);
    one(tracer);
    await until('the next span', (received) => received.length === 1);
  });

  test('do not keep the program from ending in time where nothing listens', async (t) => {
    const url = `http://127.0.0.1:${await freePort()}/v1/traces`;
    const { tracer, close, lost, lines } = await setup(t, { url });
    one(tracer);
    await close();
    assert.ok((await lost())! >= 1);
    assert.ok(lines.some(({ msg }) => msg === 'traces: spans lost'));
    assert.ok(!lines.some(({ msg }) => msg === 'shutdown: step failed'));
  });

  test('are bounded while the receiver accepts connections and never responds', async (t) => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    const { tracer, lost } = await setup(t, { url: `http://127.0.0.1:${port}/v1/traces` });
    for (let n = 0; n < 10_000; n++) one(tracer);
    const dropped = await lost();
    assert.ok(dropped! > 0 && dropped! < 2_000, String(dropped));
  });
});

test('the receiver may have a certificate of an authority that is configured, and of no other', async (t) => {
  const certificates = await certificatesForTest(t);
  if (!certificates) return;
  const receiver = await openOtlpReceiver(t, { tls: certificates.good });
  const url = `${receiver.url}/v1/traces`;
  const trusted = await setup(t, { url, authority: certificates.authority });
  trusted.tracer.start({ name: 'over TLS' }).end();
  await trusted.close();
  assert.equal(receiver.spans[0]?.name, 'over TLS');
  const untrusted = await setup(t, { url });
  untrusted.tracer.start({ name: 'refused' }).end();
  await untrusted.close();
  const { reason } = untrusted.lines.find(({ msg }) => msg === 'traces: spans lost')!;
  assert.match(String(reason), /OTEL_EXPORTER_OTLP_CERTIFICATE/);
  assert.equal(receiver.spans.length, 1);
});
