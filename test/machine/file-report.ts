/**
 * Two reporters of node:test for one test file: the usual text on stdout without the totals, which would stand there
 * once per file, and the totals as one JSON object for the runner.
 */
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

/** How many tests of a file ended how; suites are not counted. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface TestEvent {
  readonly type: string;
  readonly data: { readonly nesting?: number; readonly counts?: TestCounts };
}

async function* withoutTotals(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    const isTotal = event.type === 'test:diagnostic' && event.data.nesting === 0;
    if (!isTotal) yield event;
  }
}

export default async function* fileReport(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const text of Readable.from(withoutTotals(events)).compose(new spec())) yield String(text);
}

/** The totals of `node:test`, of which the last summary is that of the whole process. */
export async function* fileCounts(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts: TestCounts | undefined;
  for await (const { type, data } of events) if (type === 'test:summary') counts = data.counts;
  if (!counts) return;
  const { passed, failed, skipped } = counts;
  yield JSON.stringify({ passed, failed, skipped });
}
