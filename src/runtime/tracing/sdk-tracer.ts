/**
 * The real tracer: OpenTelemetry's SDK with its OTLP exporter (HTTP, protobuf). Nothing is registered globally, so that it
 * does not meet instrumentation that an operator loads into the process.
 */
import {
  type Context,
  createContextKey,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  type IdGenerator,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { FailureError } from '../../failures.ts';
import { formatTraceparent, parseTraceparent } from '../../traceparent.ts';
import { secureContextOf } from '../network/tls-context.ts';
import { ATTRIBUTES as A } from './attributes.ts';
import { createBoundedProcessor, type OnLoss } from './bounded-processor.ts';
import type { TraceSettings } from './settings.ts';
import { noSpan, type OpenSpan, type SpanOptions, type Tracer } from './tracer.ts';

const SCOPE = 'wechat-media-archiver';
/** Spans of a few seconds at the highest rate; each takes about a kilobyte. */
const QUEUE_SPANS = 8_192;
const BATCH_SPANS = 512;
const EXPORT_EVERY_MS = 2_000;
/** The longest value of an attribute: nothing that the program records is longer. */
const VALUE_LENGTH = 512;

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/** The key under which a context holds our span. */
const OURS = createContextKey('wma span');

interface ActiveSpan extends OpenSpan {
  readonly context: SpanContext;
  readonly isOpen: boolean;
}

export function createSdkTracer(
  settings: TraceSettings,
  deps: { program: string; version: string; instance: string; onLoss: OnLoss },
): { tracer: Tracer; close(): Promise<void> } {
  const ids = createIds();
  const provider = new TracerProvider({
    sampler: samplerOf(settings.sampler),
    idGenerator: ids,
    resource: resourceOf(settings, deps),
    spanLimits: { attributeValueLengthLimit: VALUE_LENGTH },
    spanProcessors: [
      createBoundedProcessor(openExporter(settings), {
        limit: QUEUE_SPANS,
        batchSize: BATCH_SPANS,
        everyMs: EXPORT_EVERY_MS,
        timeoutMs: settings.timeoutMs,
        onLoss: deps.onLoss,
      }),
    ],
  });
  const sdk = provider.getTracer(SCOPE, deps.version);
  const contexts = new AsyncLocalStorageContextManager().enable();

  function activeSpan(): ActiveSpan | undefined {
    const active = contexts.active().getValue(OURS) as ActiveSpan | undefined;
    // A timer or a socket that was opened inside a span keeps its context after the end of the span.
    return active?.isOpen ? active : undefined;
  }

  /** The context that holds the parent, and the trace id where there is none. */
  function parentOf({ parent, item }: SpanOptions): { context: Context; traceId?: string } {
    if (item === undefined && parent === undefined) {
      const active = activeSpan();
      return { context: active ? trace.setSpanContext(ROOT_CONTEXT, active.context) : ROOT_CONTEXT };
    }
    const given = parseTraceparent(item ? item.traceparent : parent);
    if (given) {
      const { traceId, spanId, flags } = given;
      const remote = { traceId, spanId, traceFlags: flags, isRemote: true };
      return { context: trace.setSpanContext(ROOT_CONTEXT, remote) };
    }
    return { context: ROOT_CONTEXT, ...(item ? { traceId: item.id.slice('m_'.length) } : {}) };
  }

  function start(options: SpanOptions): ActiveSpan {
    const { context, traceId } = parentOf(options);
    const parent = trace.getSpanContext(context);
    const links: Link[] = options.linksParent && parent ? [{ context: parent }] : [];
    const span = ids.withTraceId(traceId, () =>
      sdk.startSpan(
        options.name,
        {
          kind: KINDS[options.kind ?? 'internal'],
          attributes: { ...options.attributes },
          links,
          ...(options.startedAt ? { startTime: options.startedAt } : {}),
        },
        context,
      ),
    );
    const spanContext = span.spanContext();
    let isOpen = true;
    return {
      context: spanContext,
      get isOpen() {
        return isOpen;
      },
      get traceparent() {
        const { traceId, spanId, traceFlags } = spanContext;
        return formatTraceparent({ traceId, spanId, flags: traceFlags });
      },
      set: (attributes) => void span.setAttributes({ ...attributes }),
      fail: (type) => void span.setAttribute(A.errorType, type).setStatus({ code: SpanStatusCode.ERROR }),
      end: () => {
        if (isOpen) span.end();
        isOpen = false;
      },
    };
  }

  const within = <T>(span: OpenSpan, work: () => T): T =>
    contexts.with(ROOT_CONTEXT.setValue(OURS, span), work);

  return {
    tracer: {
      isOn: true,
      start,
      within,
      run: async (options, work) => {
        if (options.onlyInside && !activeSpan()) return await work(noSpan());
        const span = start(options);
        try {
          return await within(span, () => work(span));
        } catch (error) {
          span.set({ [A.errcode]: error instanceof FailureError ? error.failure.errcode : undefined });
          span.fail(errorTypeOf(error));
          throw error;
        } finally {
          span.end();
        }
      },
      active: () => activeSpan() ?? noSpan(),
      logFields: () => {
        const context = activeSpan()?.context;
        return context && { trace_id: context.traceId, span_id: context.spanId };
      },
    },
    close: () => provider.shutdown(),
  };
}

/** The code of a failure, or the class of another error. Never its message, which may quote what came from outside. */
const errorTypeOf = (error: unknown): string =>
  error instanceof FailureError ? error.failure.code : error instanceof Error ? error.name : typeof error;

/** Random ids, and for the first span of an item without a trace the trace id that the item's id stands for. */
function createIds(): IdGenerator & { withTraceId<T>(traceId: string | undefined, work: () => T): T } {
  const random = new RandomIdGenerator();
  let next: string | undefined;
  return {
    generateSpanId: () => random.generateSpanId(),
    generateTraceId: () => next ?? random.generateTraceId(),
    withTraceId: (traceId, work) => {
      next = traceId;
      try {
        return work();
      } finally {
        next = undefined;
      }
    },
  };
}

function samplerOf({ root, isParentBased, ratio }: TraceSettings['sampler']): Sampler {
  const samplers: Readonly<Record<typeof root, () => Sampler>> = {
    on: () => new AlwaysOnSampler(),
    off: () => new AlwaysOffSampler(),
    ratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const sampler = samplers[root]();
  return isParentBased ? new ParentBasedSampler({ root: sampler }) : sampler;
}

function openExporter({ url, headers, timeoutMs, authority }: TraceSettings): OTLPTraceExporter {
  const secureContext = secureContextOf(authority);
  return new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    ...(secureContext ? { httpAgentOptions: { keepAlive: true, secureContext } } : {}),
  });
}

function resourceOf(
  { serviceName, resourceAttributes }: TraceSettings,
  { program, version, instance }: { program: string; version: string; instance: string },
) {
  return defaultResource().merge(
    resourceFromAttributes({
      [ATTR_SERVICE_VERSION]: version,
      'service.instance.id': instance,
      'wma.program': program,
      ...resourceAttributes,
      [ATTR_SERVICE_NAME]: serviceName,
    }),
  );
}
