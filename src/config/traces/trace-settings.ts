/**
 * The standard OTEL_… variables of traces. They may be set for other programs of the machine: without an endpoint a value
 * that this program cannot use is no mistake.
 */
import type { TraceSettings as TracerSettings } from '../../runtime/tracing/settings.ts';
import { passwordsOf, type ReadEnvironment, type ReportMistake } from '../values/environment.ts';

export interface TraceSettings extends TracerSettings {
  /** What must not be in a log line: the values of the headers, and passwords and parameters of the address. */
  readonly secrets: readonly string[];
}

type Read = Pick<ReadEnvironment, 'values' | 'isSet'>;

const PATH = '/v1/traces';
const SAMPLER = /^(parentbased_)?(always_on|always_off|traceidratio)$/;
const ROOTS = { always_on: 'on', always_off: 'off', traceidratio: 'ratio' } as const;
/** A token of RFC 9110. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whether spans are made and sent. */
export function areTracesOn({ values, isSet }: Read): boolean {
  if (values.OTEL_SDK_DISABLED || values.OTEL_TRACES_EXPORTER === 'none') return false;
  return isSet('OTEL_EXPORTER_OTLP_ENDPOINT') || isSet('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
}

/** Returns undefined if traces are off, or after a reported mistake. */
export function traceSettings(
  read: Read,
  authority: string | undefined,
  report: ReportMistake,
): TraceSettings | undefined {
  if (!areTracesOn(read)) return undefined;
  const { values } = read;
  const base = values.OTEL_EXPORTER_OTLP_ENDPOINT;
  const url = values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base}${PATH}`);
  const sampler = samplerOf(read, report);
  const headers = pairsOf('OTEL_EXPORTER_OTLP_HEADERS', read, report);
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || !/^[\x20-\x7e]*$/.test(value))
      report('OTEL_EXPORTER_OTLP_HEADERS', 'contains a name or value that no HTTP header may have');
  }
  const resourceAttributes = pairsOf('OTEL_RESOURCE_ATTRIBUTES', read, report);
  if (values.OTEL_EXPORTER_OTLP_PROTOCOL !== 'http/protobuf')
    report('OTEL_EXPORTER_OTLP_PROTOCOL', 'must be http/protobuf, the only protocol of this program');
  if (values.OTEL_TRACES_EXPORTER !== 'otlp') report('OTEL_TRACES_EXPORTER', 'must be otlp or none');
  if (!url || !sampler) return undefined;
  return {
    url,
    headers,
    timeoutMs: values.OTEL_EXPORTER_OTLP_TIMEOUT ?? 0,
    authority,
    serviceName: values.OTEL_SERVICE_NAME ?? '',
    resourceAttributes,
    sampler,
    secrets: secretsOf(url, headers),
  };
}

function samplerOf({ values }: Read, report: ReportMistake): TraceSettings['sampler'] | undefined {
  const [, parent, root] = SAMPLER.exec(values.OTEL_TRACES_SAMPLER ?? '') ?? [];
  const text = values.OTEL_TRACES_SAMPLER_ARG ?? '1';
  const ratio = /^\d+(\.\d+)?$|^\.\d+$/.test(text) ? Number(text) : Number.NaN;
  if (root === undefined) {
    report(
      'OTEL_TRACES_SAMPLER',
      'must be always_on, always_off or traceidratio, with or without parentbased_ before it',
    );
    return undefined;
  }
  if (root === 'traceidratio' && !(ratio >= 0 && ratio <= 1)) {
    report('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1');
    return undefined;
  }
  return { root: ROOTS[root as keyof typeof ROOTS], isParentBased: parent !== undefined, ratio };
}

/** Returns a comma list of name=value, in the form of W3C Baggage: names and values are percent-encoded. */
function pairsOf(
  variable: 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_RESOURCE_ATTRIBUTES',
  { values }: Read,
  report: ReportMistake,
): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const entry of (values[variable] ?? '').split(',').filter((one) => one.trim() !== '')) {
    const at = entry.indexOf('=');
    try {
      if (at < 1) throw new URIError('no =');
      pairs.push([
        decodeURIComponent(entry.slice(0, at).trim()),
        decodeURIComponent(entry.slice(at + 1).trim()),
      ]);
    } catch {
      report(variable, 'must be a comma list of name=value, with % , and = in a value percent-encoded');
      return {};
    }
  }
  return Object.fromEntries(pairs);
}

function secretsOf(url: string, headers: Readonly<Record<string, string>>): string[] {
  // Of `Bearer token` the token alone is a secret too.
  const values = Object.values(headers).flatMap((value) => [value, ...value.split(' ').slice(1)]);
  return [...values, ...passwordsOf(url), ...new URL(url).searchParams.values()];
}
