/**
 * The program's logger. It writes to stderr: JSON lines, or short lines on a terminal. The last step removes secrets
 * from every line.
 */
import { type Logger, pino } from 'pino';
import { createRedactor } from './redaction.ts';

export type Log = Logger;

export interface LogOptions {
  level: string;
  /** The program's name, which every line contains. */
  program: string;
  /** Configured secrets, which are removed from every line. */
  secrets: readonly string[];
  /** Writes a line. Default: to stderr, because stdout is for the output of commands. */
  write?: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const redactLine = createRedactor(options.secrets);
  const write = options.write ?? writeToStderr;
  return pino(
    { level: options.level, base: { program: options.program }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => write(redactLine(line)) },
  );
}

function writeToStderr(line: string): void {
  process.stderr.write(process.stderr.isTTY ? formatForTerminal(line) : line);
}

const MARKS: Readonly<Record<number, string>> = { 40: 'WARN  ', 50: 'ERROR ', 60: 'FATAL ' };

/** Returns `05:10:14 archived id=m_f1e7… bytes=19266`. A line that is not JSON is returned unchanged. */
export function formatForTerminal(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, program: _, msg, err, ...rest } = fields;
  const { message, stack } = Object(err) as { message?: string; stack?: string };
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const cause = message ? [Number(level) >= 50 ? (stack ?? message) : message] : [];
  const words = [
    String(time).slice(11, 19),
    `${MARKS[Number(level)] ?? ''}${msg ?? ''}`,
    ...details,
    ...cause,
  ];
  return `${words.join('  ')}\n`;
}
