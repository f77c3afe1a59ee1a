/** Performs the actions of a script on the service and its dependencies, and records from when to when. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Fixture, untilReady } from './fixture.ts';
import type { Action } from './script.ts';

/** One line of windows.jsonl: what was on, in milliseconds of the epoch. */
export interface Window {
  readonly what: Action['what'];
  readonly name: string;
  /** Only of a fault of one account. */
  readonly account?: string;
  readonly from: number;
  readonly to: number;
}

/** Two actions on one target wait for each other. */
function targetOf(action: Action): string {
  if (action.what === 'kill' || action.what === 'freeze') return action.who;
  return action.what === 'wechat' || action.what === 'newToken' ? `wechat ${action.account}` : action.what;
}

const WORK_MS = 1_500;

/** When `signal` aborts, actions that still wait for their turn are left out. */
export function createActions(fixture: Fixture, signal: AbortSignal) {
  const file = join(fixture.folder, 'windows.jsonl');
  const busy = new Map<string, Promise<void>>();
  const count: Record<string, number> = {};

  async function perform(action: Action): Promise<Pick<Window, 'name' | 'account'>> {
    const { processes, redis, postgres, store, wechat } = fixture;
    switch (action.what) {
      case 'kill': {
        await processes.kill(action.who, action.forMs);
        const startedAt = performance.now();
        if (action.who === 'all' || action.who === 'server') await untilReady(fixture, signal);
        else await processes.untilUp(action.who, signal);
        // A process that is killed before it worked proves little: on a slow machine it would be down for the whole run.
        if (!signal.aborted) await wait(Math.max(WORK_MS, performance.now() - startedAt));
        return { name: `kill -9 ${action.who}` };
      }
      case 'freeze':
        await processes.freeze(action.who, action.forMs);
        return { name: `freeze ${action.who}` };
      case 'redis':
        if (action.how === 'flush') await redis?.flush();
        else {
          const comesBackWith = { kill: 'all', forget: 'nothing', rewind: 'past' } as const;
          await redis?.kill(action.forMs, comesBackWith[action.how]);
        }
        return { name: `redis ${action.how}` };
      case 'postgres':
        await postgres?.outage(action.forMs, action.how);
        return { name: `postgres ${action.how}` };
      case 'store':
        store?.fault(action.how);
        await wait(action.forMs);
        store?.fault('');
        return { name: action.how };
      case 'newToken': {
        const { account } = fixture.accounts[action.account]!;
        await wechat.invalidateToken(account);
        return { name: 'token invalidated', account };
      }
      case 'wechat': {
        const { account } = fixture.accounts[action.account]!;
        const { how } = action;
        if ('accountFault' in how) {
          await wechat.accountFault(account, how.accountFault, how.amount);
          await wait(action.forMs);
          await wechat.endAccountFault(account, how.accountFault);
          if (how.accountFault === 'dayQuota') await wechat.resetQuotas(account);
          return { name: how.accountFault, account };
        }
        await wechat.accountWideFault(account, how.accountWideFault, how.amount);
        await wait(action.forMs);
        await wechat.accountWideFault(account);
        return { name: how.accountWideFault, account };
      }
    }
  }

  async function doIt(action: Action): Promise<void> {
    if (signal.aborted) return;
    const from = Date.now();
    const done = await perform(action);
    count[done.name] = (count[done.name] ?? 0) + 1;
    const window: Window = { what: action.what, ...done, from, to: Date.now() };
    appendFileSync(file, `${JSON.stringify(window)}\n`);
  }

  async function one(action: Action, startedAt: number): Promise<void> {
    await wait(Math.max(0, startedAt + action.atMs - performance.now()));
    const target = targetOf(action);
    const turn = (busy.get(target) ?? Promise.resolve()).then(() => doIt(action));
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
    play: async (actions: readonly Action[], startedAt: number): Promise<void> => {
      await Promise.all(actions.map((action) => one(action, startedAt)));
    },
  };
}
