/** Spans of HTTP requests, by the conventions for HTTP clients: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
import { ATTRIBUTES as A } from './attributes.ts';
import type { Span, SpanOptions, Tracer } from './tracer.ts';

export interface TracedRequest extends Pick<SpanOptions, 'attributes' | 'item' | 'onlyInside'> {
  readonly method: string;
  /** Only its scheme, host and port are recorded: paths of links and webhooks, and queries, may contain secrets. */
  readonly url: URL | string;
  /** A path without secrets and of few different values, such as `/cgi-bin/media/get`. Then it is recorded too. */
  readonly path?: string;
  /** Stands for the path in the name of the span. */
  readonly what?: string;
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };
const FIRST_ERROR_STATUS = 400;

/**
 * Runs a request inside a client span. `work` reports the status of the response with {@link setStatus}. An error that it
 * throws marks the span as failed with its code.
 */
export function traceRequest<T>(
  tracer: Tracer,
  request: TracedRequest,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  if (!tracer.isOn) return tracer.run({ name: request.method }, work);
  const { method, path, what, attributes, ...options } = request;
  const { protocol, hostname, port, origin } = new URL(request.url);
  const target = path ?? what;
  return tracer.run(
    {
      ...options,
      name: target ? `${method} ${target}` : method,
      kind: 'client',
      attributes: {
        [A.httpMethod]: method,
        [A.serverAddress]: hostname,
        [A.serverPort]: Number(port) || PORTS[protocol],
        [A.urlFull]: `${origin}${path ?? '/'}`,
        [A.urlTemplate]: path,
        ...attributes,
      },
    },
    work,
  );
}

/** Records the status of the response. An error status marks the span of a client as failed. */
export function setStatus(span: Span, status: number): void {
  span.set({ [A.httpStatus]: status });
  if (status >= FIRST_ERROR_STATUS) span.fail(String(status));
}

/**
 * Runs the request of a delivery to a webhook. The span belongs to the trace of the media item, if the event is about
 * one. The path of the address is not recorded, because it may contain a key. `span.traceparent`, if there is one, is for the
 * header of the same name, with which the receiver continues the trace.
 */
export function traceWebhook<T>(
  tracer: Tracer,
  delivery: { url: URL | string; type: string; item?: { id: string; traceparent?: string | undefined } },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const { url, type, item } = delivery;
  return traceRequest(
    tracer,
    {
      method: 'POST',
      url,
      what: 'webhook',
      attributes: { [A.eventType]: type, ...(item ? { [A.itemId]: item.id } : {}) },
      ...(item ? { item } : {}),
    },
    work,
  );
}
