/**
 * Traces, without OpenTelemetry: the interface that the program uses, and the tracer that does nothing. The real tracer
 * (sdk-tracer.ts) is loaded only if the configuration asks for it.
 */

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/**
 * Names are those of attributes.ts. Values are chosen by the program: never a token, the query of a URL, an openId or the
 * text of an error.
 */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  /** Of few different values. */
  readonly name: string;
  /** Default: internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** The context of the parent, from outside of this process. Default: the active span. */
  readonly parent?: string | undefined;
  /**
   * The media item to whose trace the span belongs, whatever span is active. A row without a trace has the one whose id
   * is the 32 hex digits of the item's id, so that all attempts of an item have one trace without a look-up.
   */
  readonly item?: { readonly id: string; readonly traceparent?: string | undefined };
  /** Links the parent as well, as the conventions for messaging ask of a consumer. */
  readonly linksParent?: boolean;
  /** No span is made where none is active: for requests that checks and probes make too. */
  readonly onlyInside?: boolean;
  /** Default: now. */
  readonly startedAt?: Date;
}

export interface Span {
  /** The context of the span as a `traceparent`; undefined without traces. */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Marks the span as failed. `type`: a code of few different values, never a text from outside. */
  fail(type: string): void;
}

export interface OpenSpan extends Span {
  /** Idempotent. */
  end(): void;
}

export interface Tracer {
  readonly isOn: boolean;
  /** Runs `work` inside a new span. An error marks the span as failed with its code, or the name of its class. */
  run<T>(options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** Begins a span that is not active. The caller ends it. */
  start(options: SpanOptions): OpenSpan;
  /** Calls `work` with the span active. */
  within<T>(span: OpenSpan, work: () => T): T;
  /** The active span; one that does nothing where none is active. */
  active(): Span;
  /** The fields of log lines while a span is active. */
  logFields(): { trace_id: string; span_id: string } | undefined;
}

const NO_SPAN: OpenSpan = {
  traceparent: undefined,
  set: () => undefined,
  fail: () => undefined,
  end: () => undefined,
};

/** The tracer without OTEL_EXPORTER_OTLP_ENDPOINT. */
export const NO_TRACER: Tracer = {
  isOn: false,
  run: (_options, work) => work(NO_SPAN),
  start: () => NO_SPAN,
  within: (_span, work) => work(),
  active: () => NO_SPAN,
  logFields: () => undefined,
};

export const noSpan = (): OpenSpan => NO_SPAN;
