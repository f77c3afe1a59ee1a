/**
 * What must be true and is not yet, with the reason. Each of these is played like the others and has to fail: what
 * holds by now must leave this list, so that it cannot rot.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';

/** By the name of the test. */
export const PENDING: Readonly<Record<string, string>> = {};

/** A test that must pass; or, while it stands among those pending, must fail by an assertion. */
export function must(name: string, judge: () => Promise<void>): void {
  const why = PENDING[name];
  if (why === undefined) {
    it(name, judge);
    return;
  }
  it(`NOT YET ${name} (${why})`, async () => {
    const error = await judge().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error, 'holds now: take it off the list of what is pending');
    assert.ok(error instanceof assert.AssertionError, `failed otherwise than by what must be true: ${error}`);
  });
}
