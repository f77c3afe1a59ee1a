/** Opens the tracer that the configuration asks for, and loads OpenTelemetry only then. */
import { type TlsPlace, tlsSentence } from '../../tls-failures.ts';
import type { Log } from '../log.ts';
import type { PollLoopDeps } from '../poll-loop.ts';
import { createRepeatedLog } from '../repeated-log.ts';
import type { Shutdown } from '../shutdown.ts';
import { settledWithin } from '../timeout.ts';
import type { TraceSettings } from './settings.ts';
import { NO_TRACER, type Tracer } from './tracer.ts';

export interface Tracing {
  readonly tracer: Tracer;
  /** Reports spans that could not be sent, and sends the last ones at shutdown. Called once, early: it closes last. */
  report(deps: {
    log: Pick<Log, 'info' | 'warn' | 'error'>;
    metrics: PollLoopDeps['metrics'];
    shutdown: Pick<Shutdown, 'step'>;
  }): void;
}

/** The name of the loop in `wma_background_errors_total`. */
const LOOP = 'traces';
/** An endpoint that is unavailable must not delay a restart. */
const FLUSH_MS = 3_000;

const PLACE: TlsPlace = {
  name: { en: 'the receiver of traces', zh: '链路追踪接收方' },
  address: { en: 'OTEL_EXPORTER_OTLP_ENDPOINT', zh: 'OTEL_EXPORTER_OTLP_ENDPOINT' },
  authority: 'OTEL_EXPORTER_OTLP_CERTIFICATE',
};

const OFF: Tracing = { tracer: NO_TRACER, report: () => undefined };

/** Without `settings` nothing is loaded. The receiver need not be available. */
export async function openTracing(
  settings: TraceSettings | undefined,
  process: { program: string; version: string; instance: string },
): Promise<Tracing> {
  if (!settings) return OFF;
  const { createSdkTracer } = await import('./sdk-tracer.ts');
  let onLoss: (reason: string, spans: number) => void = () => undefined;
  const { tracer, close } = createSdkTracer(settings, {
    ...process,
    onLoss: (error, spans) => onLoss(reasonOf(error), spans),
  });
  return {
    tracer,
    report: ({ log, metrics, shutdown }) => {
      const repeated = createRepeatedLog(log);
      metrics.backgroundErrors.inc({ loop: LOOP }, 0);
      onLoss = (reason, spans) => {
        metrics.backgroundErrors.inc({ loop: LOOP });
        repeated.write('warn', LOOP, { reason, spans }, 'traces: spans lost');
      };
      shutdown.step(LOOP, async () => {
        if (!(await settledWithin(close(), FLUSH_MS))) onLoss('no response before the end of the program', 0);
        repeated.close();
      });
    },
  };
}

/** The receiver's own words (the status text, the body) are not logged. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  if (typeof code === 'number') return `HTTP ${code}`;
  if (error.name === 'OTLPExporterError')
    return 'the receiver is overloaded or unavailable (HTTP 429 or 5xx)';
  return tlsSentence(error, PLACE) ?? (typeof code === 'string' ? code : error.message);
}
