/**
 * Turns JSON log lines into text for people: `[16:27:37] INFO: archive: archived  count=20  bytes=241000`. Written here
 * and not with pino-pretty, which writes control characters of fields to the terminal or drops them, and which the
 * published package would have to bring along.
 */
import { escapeControls } from './escape-controls.ts';

type Fields = Readonly<Record<string, unknown>>;
type Paint = (color: keyof typeof COLORS, text: string) => string;

/** The parameters of the escape sequence SGR. */
const COLORS = { red: 31, green: 32, yellow: 33, blue: 34, gray: 90 } as const;

const LEVELS: Readonly<Record<number, [name: string, color: keyof typeof COLORS]>> = {
  10: ['TRACE', 'gray'],
  20: ['DEBUG', 'blue'],
  30: ['INFO', 'green'],
  40: ['WARN', 'yellow'],
  50: ['ERROR', 'red'],
  60: ['FATAL', 'red'],
};
const HIDDEN: ReadonlySet<string> = new Set(['level', 'time', 'program', 'msg', 'err']);
const ERROR_LEVEL = 50;

/**
 * Returns a function from a JSON log line to its text: one line for each entry, and the stack of an error below it,
 * indented. Control characters in messages and fields are escaped, so that nothing that was sent to us can move the
 * cursor, change colours, or look like a line of its own. The time is the machine's local time.
 */
export function createTextFormat({ hasColors }: { hasColors: boolean }): (line: string) => string {
  const paint: Paint = (color, text) => (hasColors ? `\u001b[${COLORS[color]}m${text}\u001b[39m` : text);
  return (line) => {
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch {
      fields = undefined;
    }
    if (typeof fields !== 'object' || fields === null) return `${escapeControls(line.trimEnd())}\n`;
    return `${textOfEntry(fields as Fields, paint)}\n`;
  };
}

function textOfEntry(entry: Fields, paint: Paint): string {
  const { level, time, msg = '', err } = entry;
  const [name, color] = LEVELS[Number(level)] ?? [escapeControls(String(level)), 'gray'];
  const details = Object.entries(entry)
    .filter(([field]) => !HIDDEN.has(field))
    .map(([field, value]) => paint('gray', `${escapeControls(field)}=${textOf(value)}`));
  const message = [escapeControls(String(msg)), ...details].join('  ');
  return `[${localTime(time)}] ${paint(color, name)}: ${message}${causeOf(err, Number(level))}`;
}

function localTime(time: unknown): string {
  const date = new Date(String(time));
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
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
