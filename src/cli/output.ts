/** The output of commands. Data goes to stdout, everything else to stderr. */

export interface Output {
  readonly json: boolean;
  /** Prints a value as JSON with --json, and otherwise as formatted by `text`. */
  show<T>(value: T, text: (value: T) => string): void;
  info(line: string): void;
  /** Shows progress: on a terminal as a bar, otherwise as a line every 10 s. */
  progress(done: number, total: number | undefined, words: string): void;
  /** Ends the line of a progress bar. */
  endProgress(): void;
  /** Asks the user. Resolves with false if there is no terminal. */
  confirm(question: string): Promise<boolean>;
}

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const BAR_WIDTH = 24;
const LINE_EVERY_MS = 10_000;

export function createOutput({ stdin, stdout, stderr }: Streams, options: { json: boolean }): Output {
  const { json } = options;
  let isBarOpen = false;
  let lineAtMs = Number.NEGATIVE_INFINITY;

  const endProgress = () => {
    if (isBarOpen) stderr.write('\n');
    isBarOpen = false;
  };
  const info = (line: string) => {
    endProgress();
    stderr.write(`${line}\n`);
  };

  return {
    json,
    endProgress,
    info,
    show: (value, text) => {
      endProgress();
      stdout.write(json ? `${JSON.stringify(value)}\n` : `${text(value)}\n`);
    },
    progress: (done, total, words) => {
      const line = `${progressText(done, total)}  ${words}`;
      if (stderr.isTTY) {
        stderr.write(`\r${line.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}\x1b[K`);
        isBarOpen = true;
      } else if (performance.now() - lineAtMs > LINE_EVERY_MS) {
        lineAtMs = performance.now();
        stderr.write(`${line}\n`);
      }
    },
    confirm: async (question) => {
      if (!stdin.isTTY || !stderr.isTTY) return false;
      const { createInterface } = await import('node:readline/promises');
      const lines = createInterface({ input: stdin, output: stderr });
      try {
        return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
      } finally {
        lines.close();
      }
    },
  };
}

/** `[████████░░░░]  67 %  2,000 of 3,000`. */
export function progressText(done: number, total: number | undefined): string {
  const count = done.toLocaleString('en-US');
  if (!total) return count;
  const share = Math.min(1, done / total);
  const full = Math.round(share * BAR_WIDTH);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
  return `[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${count} of ${total.toLocaleString('en-US')}`;
}

/**
 * Returns a table whose columns are as wide as their widest cell. Control characters are replaced, because cells may
 * contain text that users typed.
 */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(cell))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Returns named values, one per line. Absent values are left out. */
export function fields(pairs: readonly (readonly [name: string, value: unknown])[]): string {
  const present = pairs.filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`).join('\n');
}

/** Returns a value as text on one line, without control characters. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.replace(/\p{Cc}/gu, ' ');
}

export function size(bytes: number | undefined): string {
  if (bytes === undefined) return '';
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
