/** Bounds the spans that wait to be sent, and reports those that are lost: the SDK drops them without a notice. */
import { TraceFlags } from '@opentelemetry/api';
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace';

/** Called with the reason and the number of spans that will never be sent. */
export type OnLoss = (reason: unknown, spans: number) => void;

const EXPORTED = 0;
const FAILED = 1;

export interface BoundedProcessorOptions {
  /** The maximum of spans that wait; later ones are lost. */
  readonly limit: number;
  readonly batchSize: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly onLoss: OnLoss;
}

export function createBoundedProcessor(
  exporter: SpanExporter,
  { limit, batchSize, everyMs, timeoutMs, onLoss }: BoundedProcessorOptions,
): SpanProcessor {
  let waiting = 0;
  const reporting: SpanExporter = {
    export: (spans, done) => {
      waiting -= spans.length;
      try {
        exporter.export(spans, (result) => {
          if (Number(result.code) !== EXPORTED) onLoss(result.error ?? 'not sent', spans.length);
          done(result);
        });
      } catch (error) {
        onLoss(error, spans.length);
        done({ code: FAILED });
      }
    },
    shutdown: () => exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor({
    exporter: reporting,
    maxQueueSize: limit,
    maxExportBatchSize: batchSize,
    scheduledDelayMillis: everyMs,
    exportTimeoutMillis: timeoutMs,
  });
  return {
    onStart: () => undefined,
    onEnd: (span) => {
      if (!(span.spanContext().traceFlags & TraceFlags.SAMPLED)) return;
      if (waiting >= limit) return onLoss('too many spans wait to be sent', 1);
      waiting++;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}
