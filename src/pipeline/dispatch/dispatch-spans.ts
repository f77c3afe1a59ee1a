/** A span for each dispatch, in the trace of its media item. The job carries its context to the attempt. */
import type { ClaimedItem } from '../../catalogue/queue/claims.ts';
import { QUEUE_NAME } from '../../queue/job.ts';
import { ATTRIBUTES as A } from '../../runtime/tracing/attributes.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';

/** The conventions have no name for BullMQ. */
export const MESSAGING_SYSTEM = 'bullmq';

/**
 * Adds the jobs inside spans: `add` gets the jobs with the contexts of their spans. By the conventions for messaging, each
 * message has a span of its own, because the messages of a batch belong to different traces.
 */
export async function traceDispatch(
  tracer: Tracer | undefined,
  claimed: readonly ClaimedItem[],
  add: (jobs: readonly ClaimedItem[]) => Promise<void>,
): Promise<void> {
  if (!tracer?.isOn) return await add(claimed);
  const spans = claimed.map(({ id, generation, reference }) =>
    tracer.start({
      name: `dispatch ${QUEUE_NAME}`,
      kind: 'producer',
      item: { id, traceparent: reference.traceparent },
      attributes: {
        [A.messagingSystem]: MESSAGING_SYSTEM,
        [A.messagingDestination]: QUEUE_NAME,
        [A.messagingOperation]: 'dispatch',
        [A.messagingOperationType]: 'send',
        [A.itemId]: id,
        [A.generation]: generation,
      },
    }),
  );
  try {
    await add(
      claimed.map((item, index) => ({
        ...item,
        reference: { ...item.reference, traceparent: spans[index]?.traceparent },
      })),
    );
  } catch (error) {
    for (const span of spans) span.fail('queue_unavailable');
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}
