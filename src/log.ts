/** One logger for the program: JSON lines on stderr, every line scrubbed of secrets as its last step. */
import { type Logger, pino } from 'pino';
import { createScrubber } from './secrets.ts';

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
  const scrubLine = createScrubber(options.secrets);
  const write = options.write ?? ((line: string) => process.stderr.write(line));
  return pino(
    { level: options.level, base: { program: options.program }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => write(scrubLine(line)) },
  );
}
