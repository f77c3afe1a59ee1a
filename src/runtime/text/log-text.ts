/** Turns JSON log lines into text for people: `[16:27:37] INFO: archive: archived  id=m_4200…  bytes=12050`. */
import { prettyFactory } from 'pino-pretty';
import { escapeControls } from './escape-controls.ts';

type Fields = Readonly<Record<string, unknown>>;

const HIDDEN: ReadonlySet<string> = new Set(['level', 'time', 'program', 'msg', 'err']);
const ERROR_LEVEL = 50;

/**
 * Returns a function from a JSON log line to its text: one line for each entry, and the stack of an error below it,
 * indented. Control characters in messages and fields are escaped, so that nothing that was sent to us can move the
 * cursor, change colours, or look like a line of its own. The time is the machine's local time.
 */
export function createTextFormat({ hasColors }: { hasColors: boolean }): (line: string) => string {
  const prettify = prettyFactory({
    colorize: hasColors,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'program',
    hideObject: true,
    messageFormat: (log, _messageKey, _levelLabel, { colors }) => messageOf(log, colors.gray),
  });
  return (line) => {
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch {
      fields = undefined;
    }
    if (typeof fields !== 'object' || fields === null) return `${escapeControls(line.trimEnd())}\n`;
    return prettify(fields);
  };
}

function messageOf(log: Fields, gray: (text: string) => string): string {
  const { msg = '', level, err } = log;
  const details = Object.entries(log)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => gray(`${escapeControls(name)}=${textOf(value)}`));
  return [escapeControls(String(msg)), ...details].join('  ') + causeOf(err, Number(level));
}

const textOf = (value: unknown): string =>
  escapeControls(typeof value === 'object' ? (JSON.stringify(value) ?? '') : String(value));

/** A warning shows the message of its error in the same line, an error the stack in the following lines. */
function causeOf(error: unknown, level: number): string {
  const { message, stack } = Object(error) as { message?: unknown; stack?: unknown };
  if (level >= ERROR_LEVEL && typeof stack === 'string') {
    // A line break begins a new line only before a stack frame or a cause: a message may contain anything.
    const lines = stack.split(/\n(?=\s+at |caused by: )/).map(escapeControls);
    return `\n    ${lines.join('\n    ')}`;
  }
  return typeof message === 'string' ? `  ${escapeControls(message)}` : '';
}
