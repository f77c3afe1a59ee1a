/** Accounts in trouble, all at once on every shape, each beside a neighbour that is well. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { ACCOUNT_FAULT_NAMES } from '../../src/simulator/faults/account-fault-table.ts';
import { type Fixture, idOfInput, type Program, SHAPES, until, untilEnded } from '../contract/shapes.ts';
import { ACCOUNT_FAULT_CASES, type AccountFaultCase, caseName } from './account-faults.ts';
import { accountFor, digestOf, nothingIsLeftBehind, received, wecomAccountFor } from './setup.ts';

const LIMIT_MS = 60_000;
const MEDIA = 6;
const CONCURRENCY = 4;
/** `minutes`: a minute is a second, so tokens have time to be wrong. `days`: a day is twelve seconds. */
const SCALES = { minutes: 60, days: 7_200 } as const;
type Scale = keyof typeof SCALES;
const lifeOf = (scale: Scale) => ({ mediaLifetimeMs: 24 * 86_400_000, timeScale: SCALES[scale] });
/** How long a media waits for its end where no day is over before. */
const LATE_MS = 4_000;

const NEIGHBOUR = accountFor('neighbour');
const THEFT = accountFor('theft now and then');
const PICTURES = accountFor('pictures');
const BY_PIC_URL = accountFor('by PicUrl');
const accountOf = (plight: AccountFaultCase) =>
  plight.wecom
    ? wecomAccountFor(caseName(plight))
    : {
        ...accountFor(caseName(plight)),
        ...(plight.tokenSource ? { entry: { tokenSource: plight.tokenSource } } : {}),
      };

function story({ ground, program }: { ground: Fixture; program: Program }) {
  const { simulator } = ground;
  const { catalogue } = program.parts;
  const accept = async (inputs: readonly Reference[]) =>
    (await program.parts.accept(inputs)).map(({ id }) => id);
  const stateOf = async (account: string) =>
    (await catalogue.accounts.list()).find((state) => state.account === account);
  const rowsOf = async (ids: readonly string[]) =>
    await Promise.all(ids.map(async (id) => (await catalogue.media.get(id))!));

  async function allArchived(inputs: readonly Reference[], tries: readonly [number, number] = [1, 99]) {
    const rows = await untilEnded(program, inputs.map(idOfInput), LIMIT_MS);
    for (const [index, row] of rows.entries()) {
      const { status, sha256, sizeBytes } = row;
      assert.equal(status, 'archived', JSON.stringify(row.failure));
      assert.deepEqual({ sha256, sizeBytes }, await digestOf(ground, inputs[index]!));
      assert.ok(
        row.attempts >= tries[0] && row.attempts <= tries[1],
        `${row.attempts} tries, not ${tries.join(' to ')}`,
      );
    }
  }

  /** While it lasts: the account waits, its media with it, and nobody else. */
  async function isHeld(plight: AccountFaultCase, account: string, ids: readonly string[]) {
    const hold = await until(
      `the hold of ${caseName(plight)}`,
      async () => (await stateOf(account))?.hold,
      LIMIT_MS,
    );
    assert.match(hold.code, plight.code ?? /./);
    const waiting = await until('all to wait or to be archived', async () => {
      const rows = await rowsOf(ids);
      const pending = rows.filter(({ status }) => status === 'pending');
      const archived = rows.filter(({ status }) => status === 'archived');
      assert.equal(pending.length + archived.length, rows.length, 'no media may end for its account');
      return archived.length === (plight.before ?? 0) && pending;
    });
    if (!plight.tries) assert.deepEqual(new Set(waiting.map(({ attempts: tries }) => tries)), new Set([0]));
    const unaffected = [received(ground, NEIGHBOUR.account)];
    await accept(unaffected);
    await allArchived(unaffected);
    const { media } = simulator.requestLog.report();
    const refused = Object.values(media)
      .filter((entry) => entry.account === account)
      .reduce((sum, entry) => sum + entry.refused, 0);
    // Those that were under way, and single ones that look whether it is over; token trouble has its own bound.
    if (!plight.tries && !plight.days && plight.accountFault?.name !== 'minuteQuota')
      assert.ok(refused <= CONCURRENCY + 2, `${refused} calls for an account that is held`);
  }

  async function play(plight: AccountFaultCase): Promise<void> {
    const { account } = accountOf(plight);
    if (plight.accountFault) simulator.beginAccountFault(account, plight.accountFault);
    if (plight.responseFault) simulator.setAccountWideFault(account, plight.responseFault);
    const inputs = Array.from({ length: MEDIA }, () => received(ground, account));
    const ids = await accept(inputs);
    if (plight.meanwhile === 'dead') {
      for (const row of await untilEnded(program, ids, LIMIT_MS)) {
        assert.equal(row.status, 'dead');
        assert.match(row.failure!.code, plight.code!);
        assert.equal(row.attempts, 1);
      }
      return;
    }
    if (plight.meanwhile === 'held') await isHeld(plight, account, ids);
    if (plight.meanwhile === 'retries') {
      await until('two tries of each', async () =>
        (await rowsOf(ids)).every(({ status, attempts: tries }) => status === 'pending' && tries >= 2),
      );
    }
    if (plight.meanwhile !== 'goesOn') {
      simulator.endAccountFault(account);
      simulator.setAccountWideFault(account, undefined);
    }
    await allArchived(inputs, plight.tries ?? (plight.meanwhile === 'held' ? [1, 1] : [1, 99]));
    if (plight.meanwhile !== 'held') return;
    assert.equal((await stateOf(account))?.hold, undefined, 'the hold is lifted');
    const said = ground.logLines.filter((line) => line.includes('"account: held"') && line.includes(account));
    assert.equal(said.length, 1, 'said once');
  }

  return { play, accept, allArchived, stateOf };
}

describe('faults of an account', () => {
  it('every trouble has its test, under a name of its own', () => {
    const tested = new Set(ACCOUNT_FAULT_CASES.map(({ accountFault: trouble }) => trouble?.name));
    assert.deepEqual(
      ACCOUNT_FAULT_NAMES.filter((name) => !tested.has(name)),
      [],
    );
    assert.equal(new Set(ACCOUNT_FAULT_CASES.map(caseName)).size, ACCOUNT_FAULT_CASES.length);
  });

  for (const shape of SHAPES) {
    for (const scale of Object.keys(SCALES) as Scale[]) {
      describe(`with ${shape.name}, ${scale}`, { skip: shape.skip, timeout: 240_000 }, () => {
        const plights = ACCOUNT_FAULT_CASES.filter(({ days = false }) => days === (scale === 'days'));
        let opened: { ground: Fixture; program: Program };
        before(async () => {
          const ground = await shape.open({
            accounts: [...plights.map(accountOf), NEIGHBOUR, THEFT, PICTURES, BY_PIC_URL],
            life: lifeOf(scale),
          });
          const env = { ACCOUNT_CONCURRENCY: `${CONCURRENCY}`, FETCH_IDLE_TIMEOUT: '3s' };
          opened = { ground, program: await ground.start({ env, timing: {} }) };
        });
        after(() => opened?.ground.close());

        describe('all at once', { concurrency: true }, () => {
          for (const plight of plights) it(caseName(plight), () => story(opened).play(plight));
          if (scale === 'minutes') theftNowAndThen(() => opened);
          if (scale === 'minutes') picturesOfWrongIds(() => opened);
          if (scale === 'days') deadlinesInAQuota(() => opened);
        });
        describe('afterwards', () => nothingIsLeftBehind(() => opened));
      });
    }
  }
});

type Opened = { ground: Fixture; program: Program };

function theftNowAndThen(opened: () => Opened): void {
  it('tokenConflict: now and then: all go on, and somebody is told', async () => {
    const { ground } = opened();
    const { accept, allArchived } = story(opened());
    ground.simulator.beginAccountFault(THEFT.account, { name: 'tokenConflict', amount: 400 });
    const isSaid = () =>
      ground.logLines.some(
        (line) => line.includes('somebody else keeps refreshing') && line.includes(THEFT.account),
      );
    await until(
      'the warning',
      async () => {
        const inputs = [received(ground, THEFT.account)];
        await accept(inputs);
        await allArchived(inputs);
        return isSaid();
      },
      LIMIT_MS,
    );
  });
}

const withPicUrl = ({ simulator }: Fixture, input: Reference): Reference => ({
  ...input,
  picUrl: simulator.picUrl(input.mediaId),
});

function picturesOfWrongIds(opened: () => Opened): void {
  it('invalid: a picture with a PicUrl comes by that, and says so', async () => {
    const { ground, program } = opened();
    const { accept, allArchived } = story(opened());
    const wish = { kind: 'image', fault: { name: 'invalid' } } as const;
    const inputs = [withPicUrl(ground, received(ground, PICTURES.account, wish))];
    const ids = await accept(inputs);
    await allArchived(inputs);
    assert.equal((await program.parts.catalogue.media.get(ids[0]!))?.source, 'pic_url');
  });
}

/** The account has no call left today, and these media end before tomorrow. */
function deadlinesInAQuota(opened: () => Opened): void {
  const late = (ground: Fixture, account: string) => {
    const { lifetimeMs } = createLifetimes(lifeOf('days'));
    const createdAt = new Date(Date.now() - lifetimeMs + LATE_MS);
    ground.simulator.beginAccountFault(account, { name: 'dayQuota', amount: 0 });
    return received(ground, account, { kind: 'image', createdAt });
  };
  it('dayQuota: what ends before tomorrow expires by name', async () => {
    const { ground, program } = opened();
    const [id] = await story(opened()).accept([late(ground, PICTURES.account)]);
    const [row] = await untilEnded(program, [id!], LIMIT_MS);
    assert.equal(row?.status, 'expired');
    assert.ok(row.failure);
  });
  it('dayQuota: a picture that ends before tomorrow comes by its PicUrl', async () => {
    const { ground, program } = opened();
    const { accept, allArchived } = story(opened());
    const inputs = [withPicUrl(ground, late(ground, BY_PIC_URL.account))];
    const ids = await accept(inputs);
    await allArchived(inputs);
    assert.equal((await program.parts.catalogue.media.get(ids[0]!))?.source, 'pic_url');
  });
}
