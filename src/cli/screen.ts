/** What the terminal shows: data on stdout, everything else on stderr. */

export interface Output {
  readonly json: boolean;
  /** A value as JSON where that was asked for, else what `text` makes of it. */
  show<T>(value: T, text: (value: T) => string): void;
  info(line: string): void;
  /** A bar on a terminal, a line now and then elsewhere. */
  progress(done: number, total: number | undefined, words: string): void;
  /** Ends a bar. */
  endProgress(): void;
  /** False where nobody can answer. */
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
  let saidAtMs = Number.NEGATIVE_INFINITY;

  const settle = () => {
    if (isBarOpen) stderr.write('\n');
    isBarOpen = false;
  };
  const say = (line: string) => {
    settle();
    stderr.write(`${line}\n`);
  };

  return {
    json,
    endProgress: settle,
    info: say,
    show: (value, text) => {
      settle();
      stdout.write(json ? `${JSON.stringify(value)}\n` : `${text(value)}\n`);
    },
    progress: (done, total, words) => {
      const line = `${progressText(done, total)}  ${words}`;
      if (stderr.isTTY) {
        stderr.write(`\r${line.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}\x1b[K`);
        isBarOpen = true;
      } else if (performance.now() - saidAtMs > LINE_EVERY_MS) {
        saidAtMs = performance.now();
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

/** Columns as wide as their widest cell. What users typed is shown without its control characters. */
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

/** Named values below each other; what is absent is left out. */
export function fields(pairs: readonly (readonly [name: string, value: unknown])[]): string {
  const given = pairs.filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`).join('\n');
}

function cell(value: unknown): string {
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
