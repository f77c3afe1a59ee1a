/** A reporter of node:test: what became of each file, one JSON object a line, for the runner to read. */
import { relative } from 'node:path';

interface TestEvent {
  readonly type: string;
  readonly data: { readonly file?: string; readonly name?: string; readonly duration_ms?: number };
}

/** A line of the report: a test of the file failed, or the file ended after that time. Paths are relative. */
export type FileResult =
  | { readonly file: string; readonly failed: true }
  | { readonly file: string; readonly seconds: number };

export default async function* fileResults(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    // A file that ended by itself is a test of that name. The last summary is of the whole run and names no file.
    const file = data.file ?? (type === 'test:fail' ? data.name : undefined);
    if (!file) continue;
    const path = relative(process.cwd(), file);
    if (type === 'test:fail') yield lineOf({ file: path, failed: true });
    if (type === 'test:summary') yield lineOf({ file: path, seconds: (data.duration_ms ?? 0) / 1000 });
  }
}

const lineOf = (result: FileResult): string => `${JSON.stringify(result)}\n`;

export function parseResults(text: string): FileResult[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FileResult);
}
