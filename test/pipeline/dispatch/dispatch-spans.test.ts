import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClaimedItem } from '../../../src/catalogue/queue/claims.ts';
import { traceDispatch } from '../../../src/pipeline/dispatch/dispatch-spans.ts';
import { createSdkTracer } from '../../../src/runtime/tracing/sdk-tracer.ts';
import { NO_TRACER } from '../../../src/runtime/tracing/tracer.ts';
import { parseTraceparent } from '../../../src/traceparent.ts';
import { openOtlpReceiver } from '../../runtime/tracing/otlp-receiver.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const claimed = (id: string, traceparent?: string): ClaimedItem => ({
  id,
  generation: 3,
  reference: {
    account: 'wx1',
    mediaId: 'a',
    kind: 'image',
    sentAt: new Date(),
    ...(traceparent ? { traceparent } : {}),
  },
});
const ITEMS = [claimed(`m_${'1'.repeat(32)}`, TRACEPARENT), claimed(`m_${'2'.repeat(32)}`)];

test('each job carries the context of its own span, and jobs that could not be added have failed spans', async (t) => {
  const receiver = await openOtlpReceiver(t);
  const settings = {
    url: `${receiver.url}/v1/traces`,
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
  const added: ClaimedItem[] = [];
  await traceDispatch(tracer, ITEMS, async (jobs) => void added.push(...jobs));
  const away = new Error('away');
  await assert.rejects(
    traceDispatch(tracer, ITEMS.slice(0, 1), async () => {
      throw away;
    }),
    away,
  );
  await close();
  const [first, second, failed] = receiver.spans;
  assert.deepEqual(
    [first!.traceId, first!.parentId],
    ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'],
  );
  assert.deepEqual([second!.traceId, second!.parentId], ['2'.repeat(32), '']);
  const contexts = added.map(({ reference }) => parseTraceparent(reference.traceparent));
  assert.deepEqual(
    contexts.map((context) => [context?.traceId, context?.spanId]),
    [first, second].map((span) => [span!.traceId, span!.spanId]),
  );
  assert.deepEqual([first!.isError, failed!.isError], [false, true]);
  assert.equal(first!.kind, 'producer');
});

test('without traces the jobs are passed on as they are', async () => {
  await traceDispatch(NO_TRACER, ITEMS, async (jobs) => assert.equal(jobs, ITEMS));
  await traceDispatch(undefined, ITEMS, async (jobs) => assert.equal(jobs, ITEMS));
});
