/** Redacts texts and errors on their way into the queue, where every user of Bull Board can read them. */
import type { Failure } from '../failures.ts';
import type { Log } from '../runtime/log.ts';
import { redact } from '../runtime/redaction.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import { storableText } from '../storable.ts';

const MAX_TEXT = 1_000;

/**
 * Returns the text without secrets, at most 1,000 characters, in a form that every backend stores. Postgres refuses
 * NUL and lone surrogates, and the statement that fails would be the one that records the reason of a failed job.
 */
export function queueText(text: string): string {
  return redact(storableText(text.slice(0, MAX_TEXT)));
}

/** Returns what a failed job shows as its reason. */
export function failureText(failure: Failure): string {
  const errcode = failure.errcode === undefined ? '' : ` (errcode ${failure.errcode})`;
  const detail = failure.detail ?? failure.errmsg;
  return queueText(`${failure.code}${errcode}${detail ? `: ${detail}` : ''}`);
}

/**
 * Returns a function that logs errors of the connection, each code once a minute with its count: a backend that is
 * unavailable raises one for every command and every reconnect.
 */
export function createErrorReporter(log: Pick<Log, 'info' | 'warn' | 'error'>): (error: unknown) => void {
  const repeated = createRepeatedLog(log);
  return (error) => {
    const { code, name } = Object(error) as { code?: unknown; name?: unknown };
    repeated.write('warn', String(code ?? name), { err: error }, 'queue: backend error');
  };
}
