/** A log that keeps its lines, so that a test can compare them. */
import type { Log } from '../../src/runtime/log.ts';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export function createRecordingLog(): { log: Pick<Log, LogLine['level']>; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write =
    (level: LogLine['level']) =>
    (first: unknown, message?: string): void => {
      const fields = typeof first === 'string' ? {} : (first as Record<string, unknown>);
      lines.push({ level, fields, message: message ?? String(first) });
    };
  const log = { info: write('info'), warn: write('warn'), error: write('error') };
  return { log: log as Pick<Log, LogLine['level']>, lines };
}
