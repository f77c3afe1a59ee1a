/** Applies every account fault to an account of its own, all at once, beside an account without faults. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { ACCOUNT_FAULT_NAMES } from '../../src/simulator/faults/account-fault-table.ts';
import { type Fixture, idOfInput, runsWhole, SHAPES, until, untilEnded } from '../contract/shapes.ts';
import { ACCOUNT_FAULT_CASES, type AccountFaultCase, caseName } from './account-fault-cases.ts';
import {
  accountFor,
  digestOf,
  nothingIsLeftBehind,
  type Opened,
  received,
  wecomAccountFor,
} from './setup.ts';

const LIMIT_MS = 60_000;
const ITEMS = 6;
const CONCURRENCY = 4;
/** `minutes`: a minute is a second, so that tokens live long enough. `days`: a day is twelve seconds. */
const SCALES = { minutes: 60, days: 7_200 } as const;
type Scale = keyof typeof SCALES;
const lifeOf = (scale: Scale) => ({ mediaLifetimeMs: 24 * 86_400_000, timeScale: SCALES[scale] });
/** How long an item still lives that must end before the next day. */
const TIME_LEFT_MS = 4_000;

const HEALTHY = accountFor('healthy');
const SECOND_REFRESHER = accountFor('second refresher');
const PICTURES = accountFor('pictures');
const BY_PIC_URL = accountFor('by PicUrl');
const OTHER_ACCOUNTS = [HEALTHY, SECOND_REFRESHER, PICTURES, BY_PIC_URL];
const accountOf = (testCase: AccountFaultCase) =>
  testCase.wecom
    ? wecomAccountFor(caseName(testCase))
    : {
        ...accountFor(caseName(testCase)),
        ...(testCase.tokenSource ? { entry: { tokenSource: testCase.tokenSource } } : {}),
      };

function createChecks({ fixture, program }: Opened) {
  const { simulator } = fixture;
  const { catalogue } = program.parts;
  const accept = async (inputs: readonly Reference[]) =>
    (await program.parts.accept(inputs)).map(({ id }) => id);
  const holdOf = async (account: string) =>
    (await catalogue.accounts.list()).find((state) => state.account === account)?.hold;
  const rowsOf = async (ids: readonly string[]) =>
    await Promise.all(ids.map(async (id) => (await catalogue.media.get(id))!));

  async function allArchived(inputs: readonly Reference[], [min, max]: readonly [number, number] = [1, 99]) {
    const rows = await untilEnded(program, inputs.map(idOfInput), LIMIT_MS);
    for (const [index, { status, sha256, sizeBytes, attempts, failure }] of rows.entries()) {
      assert.equal(status, 'archived', JSON.stringify(failure));
      assert.deepEqual({ sha256, sizeBytes }, await digestOf(fixture, inputs[index]!));
      assert.ok(attempts >= min && attempts <= max, `${attempts} attempts, not ${min} to ${max}`);
    }
  }

  async function allDead(ids: readonly string[], code: RegExp) {
    for (const { status, failure, attempts } of await untilEnded(program, ids, LIMIT_MS)) {
      assert.equal(status, 'dead');
      assert.match(failure!.code, code);
      assert.equal(attempts, 1);
    }
  }

  /** The account is held and its items wait, and another account is not affected. */
  async function isHeld(testCase: AccountFaultCase, account: string, ids: readonly string[]) {
    const name = caseName(testCase);
    const hold = await until(`the hold of ${name}`, () => holdOf(account), LIMIT_MS);
    assert.match(hold.code, testCase.code ?? /./);
    const waiting = await until('every item to wait or to be archived', async () => {
      const rows = await rowsOf(ids);
      const pending = rows.filter(({ status }) => status === 'pending');
      const archived = rows.filter(({ status }) => status === 'archived');
      assert.equal(pending.length + archived.length, rows.length, 'a hold must not end an item');
      const before = testCase.archivedBefore ?? 0;
      // The next minute of the clock may begin meanwhile, and as many requests pass again.
      const isAllowed = testCase.accountFault?.name === 'minuteQuota' && archived.length <= 2 * before;
      return (archived.length === before || (isAllowed && archived.length > before)) && pending;
    });
    if (!testCase.attempts)
      assert.deepEqual(
        new Set(waiting.map(({ attempts }) => attempts)),
        new Set([0]),
        'a hold costs no attempt',
      );
    const unaffected = [received(fixture, HEALTHY.account)];
    await accept(unaffected);
    await allArchived(unaffected);
    // The downloads that were running, and single probes. Token conflicts and quotas have bounds of their own.
    if (testCase.attempts || testCase.needsDays || testCase.accountFault?.name === 'minuteQuota') return;
    const refused = Object.values(simulator.requestLog.report().media)
      .filter((entry) => entry.account === account)
      .reduce((sum, entry) => sum + entry.refused, 0);
    assert.ok(refused <= CONCURRENCY + 2, `${refused} calls for an account that is held`);
  }

  async function check(testCase: AccountFaultCase): Promise<void> {
    const { account } = accountOf(testCase);
    const { effect, attempts } = testCase;
    if (testCase.accountFault) simulator.beginAccountFault(account, testCase.accountFault);
    if (testCase.responseFault) simulator.setAccountWideFault(account, testCase.responseFault);
    const inputs = Array.from({ length: ITEMS }, () => received(fixture, account));
    const ids = await accept(inputs);
    if (effect === 'dead') return allDead(ids, testCase.code!);
    if (effect === 'archived') return allArchived(inputs, attempts);
    if (effect === 'held') await isHeld(testCase, account, ids);
    else
      await until('two attempts at each item', async () =>
        (await rowsOf(ids)).every((row) => row.status === 'pending' && row.attempts >= 2),
      );
    simulator.endAccountFault(account);
    simulator.setAccountWideFault(account, undefined);
    await allArchived(inputs, attempts ?? (effect === 'held' ? [1, 1] : [1, 99]));
    if (effect !== 'held') return;
    assert.equal(await holdOf(account), undefined, 'the hold is released');
    const holdLines = fixture.logLines.filter(
      (line) => line.includes('"account: held"') && line.includes(account),
    );
    assert.equal(holdLines.length, 1, 'the hold is logged once');
  }

  return { check, accept, allArchived };
}

describe('account faults', () => {
  it('every account fault has a case, and every case a name of its own', () => {
    const tested = new Set(ACCOUNT_FAULT_CASES.map(({ accountFault }) => accountFault?.name));
    assert.deepEqual(
      ACCOUNT_FAULT_NAMES.filter((name) => !tested.has(name)),
      [],
    );
    assert.equal(new Set(ACCOUNT_FAULT_CASES.map(caseName)).size, ACCOUNT_FAULT_CASES.length);
  });

  for (const shape of SHAPES) {
    const whole = runsWhole(shape);
    const scales: readonly Scale[] = whole ? ['minutes', 'days'] : ['minutes'];
    for (const scale of scales) {
      const cases = ACCOUNT_FAULT_CASES.filter(
        ({ needsDays = false, smoke = false }) => needsDays === (scale === 'days') && (whole || smoke),
      );
      describe(`with ${shape.name}, ${scale}`, { skip: shape.skip, timeout: 240_000 }, () => {
        let opened: Opened;
        before(async () => {
          const fixture = await shape.open({
            accounts: [...cases.map(accountOf), ...OTHER_ACCOUNTS],
            life: lifeOf(scale),
          });
          const env = { ACCOUNT_CONCURRENCY: `${CONCURRENCY}`, FETCH_IDLE_TIMEOUT: '3s' };
          opened = { fixture, program: await fixture.start({ env, timing: {} }) };
        });
        after(() => opened?.fixture.close());

        describe('all at once', { concurrency: true }, () => {
          for (const testCase of cases) it(caseName(testCase), () => createChecks(opened).check(testCase));
          if (whole && scale === 'minutes') repeatedRefreshes(() => opened);
          if (whole && scale === 'minutes') picturesOfInvalidIds(() => opened);
          if (whole && scale === 'days') deadlinesInAQuota(() => opened);
        });
        describe('afterwards', () => nothingIsLeftBehind(() => opened));
      });
    }
  }
});

function repeatedRefreshes(opened: () => Opened): void {
  it('tokenConflict: every 400 ms: everything is archived, and the conflict is logged', async () => {
    const { fixture } = opened();
    const { accept, allArchived } = createChecks(opened());
    const { account } = SECOND_REFRESHER;
    fixture.simulator.beginAccountFault(account, { name: 'tokenConflict', amount: 400 });
    await until(
      'the warning',
      async () => {
        const inputs = [received(fixture, account)];
        await accept(inputs);
        await allArchived(inputs);
        return fixture.logLines.some((line) => line.includes('tokens: conflict') && line.includes(account));
      },
      LIMIT_MS,
    );
  });
}

const withPicUrl = ({ simulator }: Fixture, input: Reference): Reference => ({
  ...input,
  picUrl: simulator.picUrl(input.mediaId),
});

async function archivedByPicUrl({ fixture, program }: Opened, input: Reference): Promise<void> {
  const { accept, allArchived } = createChecks({ fixture, program });
  const inputs = [withPicUrl(fixture, input)];
  const [id] = await accept(inputs);
  await allArchived(inputs);
  assert.equal((await program.parts.catalogue.media.get(id!))?.source, 'pic_url');
}

function picturesOfInvalidIds(opened: () => Opened): void {
  it('invalid: a picture with a PicUrl is archived from there', async () => {
    const recipe = { kind: 'image', fault: { name: 'invalid' } } as const;
    await archivedByPicUrl(opened(), received(opened().fixture, PICTURES.account, recipe));
  });
}

/** The account has no call left today, and these items end before tomorrow. */
function deadlinesInAQuota(opened: () => Opened): void {
  const lateItem = ({ simulator }: Fixture, account: string) => {
    const { lifetimeMs } = createLifetimes(lifeOf('days'));
    const createdAt = new Date(Date.now() - lifetimeMs + TIME_LEFT_MS);
    simulator.beginAccountFault(account, { name: 'dayQuota', amount: 0 });
    return received({ simulator }, account, { kind: 'image', createdAt });
  };
  it('dayQuota: an item that ends before tomorrow expires with a failure', async () => {
    const { fixture, program } = opened();
    const [id] = await createChecks(opened()).accept([lateItem(fixture, PICTURES.account)]);
    const [row] = await untilEnded(program, [id!], LIMIT_MS);
    assert.equal(row?.status, 'expired');
    assert.ok(row.failure);
  });
  it('dayQuota: a picture that ends before tomorrow is archived from its PicUrl', async () => {
    await archivedByPicUrl(opened(), lateItem(opened().fixture, BY_PIC_URL.account));
  });
}
