/** Deliveries in the traces of their items. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSdkTracer } from '../../../src/runtime/tracing/sdk-tracer.ts';
import { parseTraceparent } from '../../../src/traceparent.ts';
import { backends, SCHEMA, setup } from '../../catalogue/backends.ts';
import { openOtlpReceiver } from '../../runtime/tracing/otlp-receiver.ts';
import { openWebhookReceiver } from './receivers.ts';
import { createEndpoint, happen, startSending } from './sending.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a delivery has a span in the trace of its item, which the receiver can continue', async (t) => {
  const { database, catalogue } = (await setup(t, backends[0]!.open))!;
  const collector = await openOtlpReceiver(t);
  const settings = {
    url: `${collector.url}/v1/traces`,
    headers: {},
    timeoutMs: 10_000,
    authority: undefined,
    serviceName: 'archiver',
    resourceAttributes: {},
    sampler: { root: 'on', isParentBased: true, ratio: 1 },
  } as const;
  const { tracer, close } = createSdkTracer(settings, {
    program: 'worker',
    version: '1',
    instance: 'one',
    onLoss: (reason) => assert.fail(String(reason)),
  });
  const receiver = await openWebhookReceiver(t, () => endpoint.secret);
  const endpoint = await createEndpoint(catalogue, receiver.url);
  const [traced, untraced] = await happen(catalogue, database, 2);
  await database.query(`UPDATE ${SCHEMA}.media SET traceparent = $2 WHERE id = $1`, [traced, TRACEPARENT]);
  const sending = startSending(t, database, { tracer });
  await receiver.until(() => receiver.received.length === 2);
  await sending.stop();
  await close();
  const traceOf = (id: string | undefined) => {
    const { headers, isVerified } = receiver.received.find(({ event }) => event.data.id === id)!;
    assert.ok(isVerified, 'the header is not part of the signature');
    return parseTraceparent(headers.traceparent);
  };
  assert.equal(traceOf(traced)?.traceId, parseTraceparent(TRACEPARENT)?.traceId);
  assert.equal(traceOf(untraced)?.traceId, untraced?.slice(2));
  const spans = collector.spans.filter(({ name }) => name === 'POST webhook');
  assert.deepEqual(
    spans.map(({ spanId }) => spanId).sort(),
    [traceOf(traced)?.spanId, traceOf(untraced)?.spanId].sort(),
  );
  const bytes = Buffer.concat(collector.requests.map(({ body }) => body));
  assert.ok(!bytes.includes('not-for-logs'), 'the query of the address stays here');
});
