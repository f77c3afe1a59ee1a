/** The context of a trace, as the header `traceparent` of W3C Trace Context has it: https://www.w3.org/TR/trace-context/ */

/** Version 00: a trace id and the id of a span, neither of which is only zeros, and flags; hex digits in lower case. */
export const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export const TRACEPARENT_RULE = 'must be a traceparent of W3C Trace Context, version 00';

export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly flags: number;
}

/** Returns the header if it is a valid `traceparent`. An invalid one, or several, count as none, as W3C requires. */
export function readTraceparent(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' && TRACEPARENT.test(header.trim()) ? header.trim() : undefined;
}

/** Undefined for anything but a valid `traceparent`. */
export function parseTraceparent(traceparent: string | undefined): TraceContext | undefined {
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

export const formatTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
