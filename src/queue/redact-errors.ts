/** Texts and errors on their way into the queue, where anybody with a Bull Board may read them. */
import type { Failure } from '../failures.ts';
import type { Log } from '../runtime/log.ts';
import { redact } from '../runtime/redaction.ts';

const TEXT_LIMIT = 1000;

/**
 * A text every backend can keep: Postgres refuses NUL and lone surrogates, and the statement that fails is the one
 * that should have recorded the reason, so the job would die as "stalled" instead. Scrubbed, at most 1,000 characters.
 */
export function storableText(text: string): string {
  return redact(text.replaceAll('\0', '').slice(0, TEXT_LIMIT).toWellFormed());
}

/** What a failed job shows as its reason. */
export function failureText(failure: Failure): string {
  const errcode = failure.errcode === undefined ? '' : ` (errcode ${failure.errcode})`;
  const words = failure.detail ?? failure.errmsg;
  return storableText(`${failure.code}${errcode}${words ? `: ${words}` : ''}`);
}

const QUIET_MS = 30_000;

/**
 * Logs an error of the connection once, then at most every 30 s with the number kept back: a backend that is away
 * raises one for every command and every reconnect.
 */
export function createErrorReporter(log: Pick<Log, 'warn'>): (error: unknown) => void {
  const kinds = new Map<string, { quietUntil: number; keptBack: number }>();
  return (error) => {
    const { code, name } = error as { code?: unknown; name?: unknown };
    const kind = String(code ?? name);
    const now = performance.now();
    if (kinds.size > 50) kinds.clear();
    const seen = kinds.get(kind);
    if (seen && now < seen.quietUntil) {
      seen.keptBack++;
      return;
    }
    log.warn({ err: error, keptBack: seen?.keptBack ?? 0 }, 'queue error');
    kinds.set(kind, { quietUntil: now + QUIET_MS, keptBack: 0 });
  };
}
