/** Every behaviour of the simulator, played at once on every shape; then each judged by what must be true after it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { BEHAVIOUR_NAMES } from '../../src/simulator/media/media-id.ts';
import { ended, type Ground, idOfInput, type Program, SHAPES, until } from '../contract/shapes.ts';
import { PLIGHTS, plightName } from './account-faults.ts';
import { must, PENDING } from './pending.ts';
import { FAULTS, type Fault, nameOf } from './response-faults.ts';
import { accountFor, digestOf, nothingIsLeftBehind, received, wecomAccountFor } from './setup.ts';

/** Backoffs are milliseconds; a media lives for twenty minutes, and is closed five seconds after its end. */
const LIFE = { mediaLifetimeMs: 24 * 86_400_000, timeScale: 1_440 };
const { lifetimeMs } = createLifetimes(LIFE);
const LATE_MS = 7_000;
const LIMIT_MS = 60_000;

const accountOf = (fault: Fault) =>
  fault.wecom ? wecomAccountFor('all together') : accountFor(fault.alone ? nameOf(fault) : 'all together');
const ACCOUNTS = [...new Map(FAULTS.map((fault) => [accountOf(fault).account, accountOf(fault)])).values()];
/** Many at once, since most of them only wait; not all, or a slow machine loses locks and meets timeouts of its own. */
const ENV = { WORKER_CONCURRENCY: '20', ACCOUNT_CONCURRENCY: '20', FETCH_IDLE_TIMEOUT: '3s' };
/** Of a JPEG; some seeds give a PNG. */
const SEED = 16;

function play(ground: Ground, fault: Fault): Reference {
  const { behaviour: name, times = 0, amount = 0, kind = 'voice', sizeBytes, late } = fault;
  return received(ground, accountOf(fault).account, {
    kind,
    ...(kind === 'image' ? { seed: SEED } : {}),
    behaviour: { name, times, amount },
    ...(sizeBytes ? { sizeBytes } : {}),
    ...(late ? { createdAt: new Date(Date.now() - lifetimeMs + LATE_MS) } : {}),
  });
}

async function judge(ground: Ground, program: Program, fault: Fault, input: Reference): Promise<void> {
  const [row] = await ended(program, [idOfInput(input)], LIMIT_MS);
  const attempts = await program.parts.catalogue.media.attempts(row!.id);
  const { status, tries, failure } = row!;
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
  assert.ok(row.tries >= least && row.tries <= most, `${row.tries} tries, not ${least} to ${most}: ${story}`);

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
    const tested = new Set(FAULTS.map(({ behaviour }) => behaviour));
    assert.deepEqual(
      BEHAVIOUR_NAMES.filter((name) => !tested.has(name)),
      [],
    );
    assert.equal(new Set(FAULTS.map(nameOf)).size, FAULTS.length);
  });

  it('what is pending has its test', () => {
    const names = new Set([...FAULTS.map(nameOf), ...PLIGHTS.map(plightName)]);
    assert.deepEqual(
      Object.keys(PENDING).filter((name) => !names.has(name)),
      [],
    );
  });

  for (const shape of SHAPES) {
    describe(`with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
      let ground: Ground;
      let program: Program;
      const inputs = new Map<Fault, Reference>();
      before(async () => {
        ground = await shape.lay({ accounts: ACCOUNTS, life: LIFE });
        program = await ground.start({ env: ENV, timing: {} });
        // A first one has the token and the connections ready, before the clock of the late ones runs.
        const first = received(ground, accountFor('all together').account);
        await program.parts.accept([first]);
        await ended(program, [idOfInput(first)], LIMIT_MS);
        const late = FAULTS.filter((fault) => fault.late);
        await accept(late);
        // Each has met its fault before the others come, or a slow machine meets its end first.
        for (const fault of late) {
          const id = idOfInput(inputs.get(fault)!);
          await until(
            'a first try',
            async () => ((await program.parts.catalogue.media.get(id))?.tries ?? 0) > 0,
          );
        }
        await accept(FAULTS.filter((fault) => !fault.late));
      });
      after(() => ground?.close());

      async function accept(faults: readonly Fault[]): Promise<void> {
        for (const fault of faults) inputs.set(fault, play(ground, fault));
        await program.parts.accept(faults.map((fault) => inputs.get(fault)!));
      }

      for (const fault of FAULTS)
        must(nameOf(fault), () => judge(ground, program, fault, inputs.get(fault)!));
      nothingIsLeftBehind(() => ({ ground, program }));
    });
  }
});
