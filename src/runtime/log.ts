/** The program's logger. It writes to stderr. The last step removes secrets from every line. */
import { type Logger, pino } from 'pino';
import { createRedactor } from './redaction.ts';
import { createTextFormat } from './text/log-text.ts';

export type Log = Logger;

/** `json`: a JSON object on each line. `text`: a readable line for each entry, and the stack of an error below it. */
export type LogFormat = 'json' | 'text';

export interface LogOptions {
  level: string;
  /** The program's name, which every line contains in JSON. */
  program: string;
  /** Configured secrets, which are removed from every line. */
  secrets: readonly string[];
  /** Default: `text` if stderr is a terminal, otherwise `json`. */
  format?: LogFormat | undefined;
  /** Returns fields for every line, such as the ids of the active span. */
  fields?: (() => object | undefined) | undefined;
  /** Writes a line. Default: to stderr, because stdout is for the output of commands. Then `format` is JSON by default. */
  write?: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const { level, program } = options;
  const redactLine = createRedactor(options.secrets);
  const write = options.write ?? ((line) => void process.stderr.write(line));
  const format = options.format ?? (!options.write && process.stderr.isTTY ? 'text' : 'json');
  // Once in JSON, where the rules know the names of fields, and again in the text.
  const toText = format === 'text' ? createTextFormat({ hasColors: hasColors(options) }) : undefined;
  const finish = toText ? (line: string) => redactLine(toText(redactLine(line))) : redactLine;
  const { fields } = options;
  const mixin = fields && (() => fields() ?? {});
  return pino(
    { level, base: { program }, timestamp: pino.stdTimeFunctions.isoTime, ...(mixin && { mixin }) },
    // Synchronous: the last lines before the end of the process are written too.
    { write: (line: string) => write(finish(line)) },
  );
}

/** Node's `hasColors` observes NO_COLOR, FORCE_COLOR and TERM. */
const hasColors = ({ write }: Pick<LogOptions, 'write'>): boolean =>
  write === undefined && process.stderr.isTTY && process.stderr.hasColors();
