/** A reporter of node:test: the files in which something failed, one a line, relative to the folder of the run. */
import { relative } from 'node:path';

interface TestEvent {
  readonly type: string;
  readonly data: { readonly file?: string; readonly name?: string };
}

export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== 'test:fail') continue;
    // A file that ended by itself is a test of that name.
    const file = data.file ?? data.name;
    if (file) yield `${relative(process.cwd(), file)}\n`;
  }
}
