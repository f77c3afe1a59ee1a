import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '../../src/media.ts';
import { jobIdOf, parseJob, QUEUE_NAME, queueNameOf, toJobData } from '../../src/queue/job.ts';
import { referenceOf } from './handled.ts';

const reference = referenceOf('a');
const id = idOf(reference.account, reference.mediaId);

test('what is sent is what is read', () => {
  const data = JSON.parse(JSON.stringify(toJobData(reference)));
  assert.deepEqual(data, {
    v: 1,
    account: 'wx0000000000000001',
    mediaId: 'a',
    kind: 'image',
    sentAt: '2026-11-23T04:05:06.789Z',
  });
  assert.deepEqual(parseJob({ id: jobIdOf(id, 12), name: 'archive', data }), {
    id,
    generation: 12,
    reference,
  });
});

test('the trace of a foreign job is kept where it is valid, and is otherwise no reason to refuse the job', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const read = (given: unknown) => {
    const parsed = parseJob({ id, name: 'archive', data: { ...toJobData(reference), traceparent: given } });
    assert.ok('reference' in parsed);
    return parsed.reference.traceparent;
  };
  assert.equal(read(traceparent), traceparent);
  for (const invalid of ['x', '', 7, null, traceparent.toUpperCase()]) assert.equal(read(invalid), undefined);
});

test('only digits are a generation', () => {
  const data = toJobData(reference);
  for (const generation of ['', '-1', '1.5', '1e3', ' 1', '0x1', '9'.repeat(10)]) {
    const parsed = parseJob({ id: `${id}-${generation}`, name: 'archive', data });
    assert.ok('generation' in parsed && parsed.generation === undefined, generation);
  }
});

test('the default prefix gives the queue its public name', () => {
  assert.equal(queueNameOf('{wma}'), QUEUE_NAME);
  assert.equal(queueNameOf('shop:eu'), 'shop-eu-archive');
});
