/** Does to the service and to what it stands on what the script says, and writes down from when to when. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Ground, untilReady } from './ground.ts';
import type { Deed } from './script.ts';

/** One line of windows.jsonl: what was on, in milliseconds of the epoch. */
export interface Window {
  readonly what: Deed['what'];
  readonly name: string;
  /** Of a trouble that one account alone has. */
  readonly account?: string;
  readonly from: number;
  readonly to: number;
}

/** Two deeds on one target wait for each other. */
function targetOf(deed: Deed): string {
  if (deed.what === 'kill' || deed.what === 'freeze') return deed.who;
  return deed.what === 'wechat' || deed.what === 'newToken' ? `wechat ${deed.account}` : deed.what;
}

const WORK_MS = 1_500;

/** `signal`: the time for deeds is over; those that still wait for their turn are left out. */
export function createDeeds(ground: Ground, signal: AbortSignal) {
  const file = join(ground.folder, 'windows.jsonl');
  const busy = new Map<string, Promise<void>>();
  const count: Record<string, number> = {};

  async function perform(deed: Deed): Promise<Pick<Window, 'name' | 'account'>> {
    const { fleet, redis, postgres, store, wechat } = ground;
    switch (deed.what) {
      case 'kill': {
        await fleet.kill(deed.who, deed.forMs);
        const startedAt = performance.now();
        if (deed.who === 'all' || deed.who === 'server') await untilReady(ground, signal);
        else await fleet.untilUp(deed.who, signal);
        // One that dies before it has done anything proves little: on a slow machine it would be down for the whole run.
        if (!signal.aborted) await wait(Math.max(WORK_MS, performance.now() - startedAt));
        return { name: `kill -9 ${deed.who}` };
      }
      case 'freeze':
        await fleet.freeze(deed.who, deed.forMs);
        return { name: `freeze ${deed.who}` };
      case 'redis':
        if (deed.how === 'flush') await redis?.flush();
        else {
          const comesBackWith = { kill: 'all', forget: 'nothing', rewind: 'past' } as const;
          await redis?.kill(deed.forMs, comesBackWith[deed.how]);
        }
        return { name: `redis ${deed.how}` };
      case 'postgres':
        await postgres?.outage(deed.forMs, deed.how);
        return { name: `postgres ${deed.how}` };
      case 'store':
        store?.fault(deed.how);
        await wait(deed.forMs);
        store?.fault('');
        return { name: deed.how };
      case 'newToken': {
        const { account } = ground.accounts[deed.account]!;
        await wechat.invalidateToken(account);
        return { name: 'token invalidated', account };
      }
      case 'wechat': {
        const { account } = ground.accounts[deed.account]!;
        const { how } = deed;
        if ('trouble' in how) {
          await wechat.trouble(account, how.trouble, how.amount);
          await wait(deed.forMs);
          await wechat.heal(account, how.trouble);
          if (how.trouble === 'dayQuota') await wechat.midnight(account);
          return { name: how.trouble, account };
        }
        await wechat.misbehave(account, how.misbehave, how.amount);
        await wait(deed.forMs);
        await wechat.misbehave(account);
        return { name: how.misbehave, account };
      }
    }
  }

  async function doIt(deed: Deed): Promise<void> {
    if (signal.aborted) return;
    const from = Date.now();
    const done = await perform(deed);
    count[done.name] = (count[done.name] ?? 0) + 1;
    const window: Window = { what: deed.what, ...done, from, to: Date.now() };
    appendFileSync(file, `${JSON.stringify(window)}\n`);
  }

  async function one(deed: Deed, startedAt: number): Promise<void> {
    await wait(Math.max(0, startedAt + deed.atMs - performance.now()));
    const target = targetOf(deed);
    const turn = (busy.get(target) ?? Promise.resolve()).then(() => doIt(deed));
    busy.set(
      target,
      turn.catch(() => undefined),
    );
    await turn;
  }

  return {
    /** How often each was done. */
    count: count as Readonly<Record<string, number>>,
    now: doIt,
    /** Resolves when all has ended; rejects where the test itself could not do what it wanted. */
    play: async (deeds: readonly Deed[], startedAt: number): Promise<void> => {
      await Promise.all(deeds.map((deed) => one(deed, startedAt)));
    },
  };
}
