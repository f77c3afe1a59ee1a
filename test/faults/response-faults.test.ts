/** Applies every response fault to one media item each, all at once, and checks what becomes of the item. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { RESPONSE_FAULT_NAMES } from '../../src/simulator/media/media-id.ts';
import {
  type Fixture,
  idOfInput,
  type Program,
  runsWhole,
  SHAPES,
  until,
  untilEnded,
} from '../contract/shapes.ts';
import { caseName, type FaultCase } from './fault-case.ts';
import { FAULT_CASES, SMOKE_CASES } from './response-fault-cases.ts';
import { accountFor, digestOf, nothingIsLeftBehind, received, wecomAccountFor } from './setup.ts';

/** Backoffs are milliseconds; an item lives for twenty minutes, and is closed five seconds after its end. */
const LIFE = { mediaLifetimeMs: 24 * 86_400_000, timeScale: 1_440 };
const { lifetimeMs } = createLifetimes(LIFE);
/** How long an item still lives that must expire. */
const TIME_LEFT_MS = 7_000;
const LIMIT_MS = 60_000;

const accountOf = (testCase: FaultCase) =>
  testCase.wecom ? wecomAccountFor('shared') : accountFor(testCase.alone ? caseName(testCase) : 'shared');
/** Many at once, because most cases only wait; with more, a slow machine loses locks and has timeouts of its own. */
const ENV = { WORKER_CONCURRENCY: '20', ACCOUNT_CONCURRENCY: '20', FETCH_IDLE_TIMEOUT: '3s' };
/** A seed whose picture is a JPEG, not a PNG. */
const JPEG_SEED = 16;

function receive(fixture: Fixture, testCase: FaultCase): Reference {
  const { fault: name, times = 0, amount = 0, kind = 'voice', sizeBytes, late } = testCase;
  return received(fixture, accountOf(testCase).account, {
    kind,
    ...(kind === 'image' ? { seed: JPEG_SEED } : {}),
    fault: { name, times, amount },
    ...(sizeBytes ? { sizeBytes } : {}),
    ...(late ? { createdAt: new Date(Date.now() - lifetimeMs + TIME_LEFT_MS) } : {}),
  });
}

async function check(
  fixture: Fixture,
  program: Program,
  testCase: FaultCase,
  input: Reference,
): Promise<void> {
  const [row] = await untilEnded(program, [idOfInput(input)], LIMIT_MS);
  const attemptLog = await program.parts.catalogue.media.attempts(row!.id);
  const { status, attempts, failure } = row!;
  const outcomes = attemptLog.map(({ outcome, code, errcode }) => [outcome, code, errcode].join(' '));
  const details = JSON.stringify({ status, attempts, failure, outcomes });
  assert.equal(row?.status, testCase.becomes, details);

  const failed = attemptLog.filter(({ outcome }) => !['archived', 'expired'].includes(outcome ?? ''));
  for (const { code } of failed) assert.match(code ?? '', testCase.code ?? /^no attempt may fail$/, details);
  const defaults = { archived: testCase.code ? 2 : 1, dead: 1, expired: [2, 999] as const };
  const expected = testCase.attempts ?? defaults[testCase.becomes];
  const [min, max] = typeof expected === 'number' ? [expected, expected] : expected;
  assert.ok(attempts >= min && attempts <= max, `${attempts} attempts, not ${min} to ${max}: ${details}`);

  if (testCase.becomes === 'archived') {
    const { sha256, sizeBytes } = row;
    assert.deepEqual({ sha256, sizeBytes }, await digestOf(fixture, input), details);
    assert.equal(row.failure, undefined, 'an archived row has no failure');
  } else {
    assert.equal(row.sha256, undefined, details);
    assert.ok(row.failure, details);
    assert.ok(failed.length > 0, `no attempt met the fault: ${details}`);
    if (testCase.errcode !== undefined) assert.equal(row.failure.errcode, testCase.errcode, details);
  }
  for (const [name, value] of Object.entries(testCase.row ?? {}))
    assert.deepEqual(row[name as keyof typeof row], value, `${name}: ${details}`);
}

describe('response faults', () => {
  it('every response fault has a case, and every case a name of its own', () => {
    const tested = new Set(FAULT_CASES.map(({ fault }) => fault));
    assert.deepEqual(
      RESPONSE_FAULT_NAMES.filter((name) => !tested.has(name)),
      [],
    );
    assert.equal(new Set(FAULT_CASES.map(caseName)).size, FAULT_CASES.length);
  });

  for (const shape of SHAPES) {
    const cases = runsWhole(shape) ? FAULT_CASES : SMOKE_CASES;
    const accounts = new Map(
      [accountFor('shared'), ...cases.map(accountOf)].map((account) => [account.account, account]),
    );
    describe(`with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
      let fixture: Fixture;
      let program: Program;
      const inputs = new Map<FaultCase, Reference>();
      before(async () => {
        fixture = await shape.open({ accounts: [...accounts.values()], life: LIFE });
        program = await fixture.start({ env: ENV, timing: {} });
        // The first item gets the token and opens the connections, before the time of the late items runs.
        const first = received(fixture, accountFor('shared').account);
        await program.parts.accept([first]);
        await untilEnded(program, [idOfInput(first)], LIMIT_MS);
        const late = cases.filter((testCase) => testCase.late);
        await accept(late);
        // Each late item meets its fault before the others are accepted, or it could expire first on a slow machine.
        for (const testCase of late) {
          const id = idOfInput(inputs.get(testCase)!);
          const attemptsOf = async () => (await program.parts.catalogue.media.get(id))?.attempts ?? 0;
          await until('a first attempt', async () => (await attemptsOf()) > 0);
        }
        await accept(cases.filter((testCase) => !testCase.late));
      });
      after(() => fixture?.close());

      async function accept(accepted: readonly FaultCase[]): Promise<void> {
        for (const testCase of accepted) inputs.set(testCase, receive(fixture, testCase));
        await program.parts.accept(accepted.map((testCase) => inputs.get(testCase)!));
      }

      for (const testCase of cases)
        it(caseName(testCase), () => check(fixture, program, testCase, inputs.get(testCase)!));
      nothingIsLeftBehind(() => ({ fixture, program }));
    });
  }
});
