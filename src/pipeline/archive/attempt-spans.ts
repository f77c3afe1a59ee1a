/** A span for each attempt, by the conventions for messaging; what happens in the attempt is below it. */
import { FailureError } from '../../failures.ts';
import { JOB_NAME, QUEUE_NAME } from '../../queue/job.ts';
import type { JobResult } from '../../queue/job-result.ts';
import { ATTRIBUTES as A } from '../../runtime/tracing/attributes.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';
import { MESSAGING_SYSTEM } from '../dispatch/dispatch-spans.ts';
import type { HandleFailure } from './handle-failure.ts';
import type { AttemptHandler } from './job-middleware.ts';

/** The span is a child of the dispatch and linked to it: a search for the trace finds every attempt. */
export function traceAttempts(tracer: Tracer, attempt: AttemptHandler): AttemptHandler {
  if (!tracer.isOn) return attempt;
  return (job, signal) => {
    const { id, jobId, generation, reference } = job;
    return tracer.run(
      {
        name: `attempt ${QUEUE_NAME}`,
        kind: 'consumer',
        item: { id, traceparent: reference.traceparent },
        linksParent: true,
        attributes: {
          [A.messagingSystem]: MESSAGING_SYSTEM,
          [A.messagingDestination]: QUEUE_NAME,
          [A.messagingOperation]: JOB_NAME,
          [A.messagingOperationType]: 'process',
          [A.messagingMessageId]: jobId,
          [A.itemId]: id,
          [A.itemKind]: reference.kind,
          [A.account]: reference.account,
          [A.generation]: generation,
          [A.attempt]: job.attempt,
        },
      },
      async (span) => {
        const result = await attempt(job, signal);
        span.set({ [A.outcome]: outcomeOf(result) });
        return result;
      },
    );
  };
}

const outcomeOf = (result: JobResult): string => (result.action === 'finish' ? result.result : result.action);

/** Marks the span of the attempt with the failure, which the outcome of the attempt does not always name. */
export function traceFailures(tracer: Tracer, handleFailure: HandleFailure): HandleFailure {
  if (!tracer.isOn) return handleFailure;
  return (job, startedAt, error) => {
    const { code, errcode } = error instanceof FailureError ? error.failure : { code: 'internal' };
    const span = tracer.active();
    span.set({ [A.errcode]: errcode });
    span.fail(code);
    return handleFailure(job, startedAt, error);
  };
}
