/**
 * One logger for the program, on stderr: JSON lines for machines, a short line each for a person at a terminal. Every
 * line is scrubbed of secrets as its last step.
 */
import { type Logger, pino } from 'pino';
import { createRedactor } from './redaction.ts';

export type Log = Logger;

export interface LogOptions {
  level: string;
  /** The program's name, on every line. */
  program: string;
  /** Configured secrets; cut out of every line wherever they turn up. */
  secrets: readonly string[];
  /** Where lines go; default stderr, so that stdout stays for what a command answers. */
  write?: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const scrubLine = createRedactor(options.secrets);
  const write = options.write ?? writeToStderr;
  return pino(
    { level: options.level, base: { program: options.program }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => write(scrubLine(line)) },
  );
}

function writeToStderr(line: string): void {
  process.stderr.write(process.stderr.isTTY ? formatForTerminal(line) : line);
}

const MARKS: Readonly<Record<number, string>> = { 40: 'WARN  ', 50: 'ERROR ', 60: 'FATAL ' };

/** `05:10:14 archived  id=m_f1e7… bytes=19266`; a line that is no JSON object stays as it is. */
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
