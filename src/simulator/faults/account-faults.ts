/** The account faults that are active, and the counts of requests that they need. */
import type { Clock } from '../../runtime/clock.ts';
import type { Refusal } from '../accounts/access-tokens.ts';
import {
  ACCOUNT_FAULTS,
  type AccountFault,
  type AccountFaultEndpoint,
  type AccountFaultName,
  type AccountFaultSpec,
  type RequestState,
} from './account-fault-table.ts';

interface ActiveFault {
  readonly fault: AccountFault;
  readonly spec: AccountFaultSpec;
  count: number;
  refused: number;
  concurrent: number;
  /** Times of the requests of the last second. */
  recent: number[];
  minute: { at: number; count: number };
  refreshedAt: number;
}

type OtherRefresher = NonNullable<AccountFaultSpec['otherRefresher']>;

export interface AccountFaults {
  begin(account: string, fault: AccountFault): void;
  /** Ends one fault, or all of them. */
  end(account: string, name?: AccountFaultName): void;
  list(account: string): readonly AccountFault[];
  /** Counts a request; the caller calls `finish` once the response is sent. */
  beginRequest(
    account: { account: string; product?: RequestState['product'] },
    endpoint: AccountFaultEndpoint,
  ): { refusal: Refusal | undefined; finish(): void };
  /** Returns the accounts whose second refresher is due since the last call. */
  dueRefreshes(): readonly { account: string; how: OtherRefresher }[];
}

export function createAccountFaults(options: { clock: Pick<Clock, 'now'> }): AccountFaults {
  const active = new Map<string, Map<AccountFaultName, ActiveFault>>();
  const nowMs = () => options.clock.now().getTime();
  const activeOf = (account: string) => [...(active.get(account)?.values() ?? [])];

  function countRequest(
    entry: ActiveFault,
    product: RequestState['product'],
    endpoint: AccountFaultEndpoint,
  ): RequestState {
    const atMs = nowMs();
    entry.count++;
    entry.recent = [...entry.recent.filter((past) => past > atMs - 1000), atMs];
    const minute = Math.floor(atMs / 60_000);
    if (entry.minute.at !== minute) entry.minute = { at: minute, count: 0 };
    entry.minute.count++;
    return {
      amount: entry.fault.amount ?? 0,
      endpoint,
      product,
      count: entry.count,
      inSecond: entry.recent.length,
      inMinute: entry.minute.count,
      concurrent: entry.concurrent,
    };
  }

  return {
    begin: (account, fault) => {
      const entries = active.get(account) ?? new Map<AccountFaultName, ActiveFault>();
      active.set(account, entries);
      entries.set(fault.name, {
        fault,
        spec: ACCOUNT_FAULTS[fault.name],
        count: 0,
        refused: 0,
        concurrent: 0,
        recent: [],
        minute: { at: 0, count: 0 },
        refreshedAt: nowMs(),
      });
    },
    end: (account, name) => {
      if (name) active.get(account)?.delete(name);
      else active.delete(account);
    },
    list: (account) => activeOf(account).map(({ fault }) => fault),
    beginRequest: ({ account, product = 'official' }, endpoint) => {
      const entries = activeOf(account).filter(({ spec }) => spec.endpoints.includes(endpoint));
      for (const entry of entries) entry.concurrent++;
      let refusal: Refusal | undefined;
      for (const entry of entries) {
        // Every fault counts every request; the first refusal is sent.
        const wanted = entry.spec.refuse?.(countRequest(entry, product, endpoint));
        if (!wanted || refusal) continue;
        refusal = wanted;
        entry.refused++;
        if (entry.refused === entry.fault.times) active.get(account)?.delete(entry.fault.name);
      }
      return {
        refusal,
        finish: () => {
          for (const entry of entries) entry.concurrent--;
        },
      };
    },
    dueRefreshes: () => {
      const due: { account: string; how: OtherRefresher }[] = [];
      for (const [account, entries] of active) {
        for (const entry of entries.values()) {
          const { otherRefresher } = entry.spec;
          if (!otherRefresher || nowMs() < entry.refreshedAt + (entry.fault.amount ?? 0)) continue;
          entry.refreshedAt = nowMs();
          due.push({ account, how: otherRefresher });
        }
      }
      return due;
    },
  };
}
