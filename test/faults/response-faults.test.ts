/** Every behaviour of the simulator, played at once on every shape; then each judged by what must be true after it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { RESPONSE_FAULT_NAMES } from '../../src/simulator/media/media-id.ts';
import { type Fixture, idOfInput, type Program, SHAPES, until, untilEnded } from '../contract/shapes.ts';
import { caseName, FAULT_CASES, type FaultCase } from './response-faults.ts';
import { accountFor, digestOf, nothingIsLeftBehind, received, wecomAccountFor } from './setup.ts';

/** Backoffs are milliseconds; a media lives for twenty minutes, and is closed five seconds after its end. */
const LIFE = { mediaLifetimeMs: 24 * 86_400_000, timeScale: 1_440 };
const { lifetimeMs } = createLifetimes(LIFE);
const LATE_MS = 7_000;
const LIMIT_MS = 60_000;

const accountOf = (fault: FaultCase) =>
  fault.wecom ? wecomAccountFor('all together') : accountFor(fault.alone ? caseName(fault) : 'all together');
const ACCOUNTS = [
  ...new Map(FAULT_CASES.map((fault) => [accountOf(fault).account, accountOf(fault)])).values(),
];
/** Many at once, since most of them only wait; not all, or a slow machine loses locks and meets timeouts of its own. */
const ENV = { WORKER_CONCURRENCY: '20', ACCOUNT_CONCURRENCY: '20', FETCH_IDLE_TIMEOUT: '3s' };
/** Of a JPEG; some seeds give a PNG. */
const SEED = 16;

function play(ground: Fixture, fault: FaultCase): Reference {
  const { fault: name, times = 0, amount = 0, kind = 'voice', sizeBytes, late } = fault;
  return received(ground, accountOf(fault).account, {
    kind,
    ...(kind === 'image' ? { seed: SEED } : {}),
    fault: { name, times, amount },
    ...(sizeBytes ? { sizeBytes } : {}),
    ...(late ? { createdAt: new Date(Date.now() - lifetimeMs + LATE_MS) } : {}),
  });
}

async function judge(ground: Fixture, program: Program, fault: FaultCase, input: Reference): Promise<void> {
  const [row] = await untilEnded(program, [idOfInput(input)], LIMIT_MS);
  const attempts = await program.parts.catalogue.media.attempts(row!.id);
  const { status, attempts: tries, failure } = row!;
  const story = JSON.stringify({
    status,
    tries,
    failure,
    attempts: attempts.map(({ outcome, code, errcode }) => [outcome, code, errcode].join(' ')),
  });
  assert.equal(row?.status, fault.becomes, story);

  const failed = attempts.filter(({ outcome }) => !['archived', 'expired'].includes(outcome ?? ''));
  for (const { code } of failed) assert.match(code ?? '', fault.code ?? /^none must fail$/, story);
  const defaults = { archived: fault.code ? 2 : 1, dead: 1, expired: [2, 999] as const };
  const expected = fault.tries ?? defaults[fault.becomes];
  const [least, most] = typeof expected === 'number' ? [expected, expected] : expected;
  assert.ok(
    row.attempts >= least && row.attempts <= most,
    `${row.attempts} tries, not ${least} to ${most}: ${story}`,
  );

  if (fault.becomes === 'archived') {
    assert.deepEqual({ sha256: row.sha256, sizeBytes: row.sizeBytes }, await digestOf(ground, input), story);
    assert.equal(row.failure, undefined, 'a success forgets the failures before it');
  } else {
    assert.equal(row.sha256, undefined, story);
    assert.ok(row.failure, story);
    assert.ok(failed.length > 0, `the fault was never seen: ${story}`);
    if (fault.errcode !== undefined) assert.equal(row.failure.errcode, fault.errcode, story);
  }
  for (const [name, value] of Object.entries(fault.is ?? {}))
    assert.deepEqual(row[name as keyof typeof row], value, `${name}: ${story}`);
}

describe('faults of one answer', () => {
  it('every behaviour has its test, under a name of its own', () => {
    const tested = new Set(FAULT_CASES.map(({ fault }) => fault));
    assert.deepEqual(
      RESPONSE_FAULT_NAMES.filter((name) => !tested.has(name)),
      [],
    );
    assert.equal(new Set(FAULT_CASES.map(caseName)).size, FAULT_CASES.length);
  });

  for (const shape of SHAPES) {
    describe(`with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
      let ground: Fixture;
      let program: Program;
      const inputs = new Map<FaultCase, Reference>();
      before(async () => {
        ground = await shape.open({ accounts: ACCOUNTS, life: LIFE });
        program = await ground.start({ env: ENV, timing: {} });
        // A first one has the token and the connections ready, before the clock of the late ones runs.
        const first = received(ground, accountFor('all together').account);
        await program.parts.accept([first]);
        await untilEnded(program, [idOfInput(first)], LIMIT_MS);
        const late = FAULT_CASES.filter((fault) => fault.late);
        await accept(late);
        // Each has met its fault before the others come, or a slow machine meets its end first.
        for (const fault of late) {
          const id = idOfInput(inputs.get(fault)!);
          await until(
            'a first try',
            async () => ((await program.parts.catalogue.media.get(id))?.attempts ?? 0) > 0,
          );
        }
        await accept(FAULT_CASES.filter((fault) => !fault.late));
      });
      after(() => ground?.close());

      async function accept(faults: readonly FaultCase[]): Promise<void> {
        for (const fault of faults) inputs.set(fault, play(ground, fault));
        await program.parts.accept(faults.map((fault) => inputs.get(fault)!));
      }

      for (const fault of FAULT_CASES)
        it(caseName(fault), () => judge(ground, program, fault, inputs.get(fault)!));
      nothingIsLeftBehind(() => ({ ground, program }));
    });
  }
});
