/** The troubles that accounts are in, and what these remember of the requests. */
import type { Clock } from '../../runtime/clock.ts';
import type { Refusal } from '../accounts/access-tokens.ts';
import {
  type Moment,
  TROUBLES,
  type Trouble,
  type TroubledPlace,
  type TroubleName,
  type TroubleRow,
} from './account-fault-table.ts';

interface Patient {
  readonly trouble: Trouble;
  readonly row: TroubleRow;
  seen: number;
  refused: number;
  atOnce: number;
  /** Times of the requests of the last second. */
  recent: number[];
  minute: { at: number; count: number };
  stolenAt: number;
}

export interface Troubles {
  begin(account: string, trouble: Trouble): void;
  /** One trouble, or all. */
  heal(account: string, name?: TroubleName): void;
  list(account: string): readonly Trouble[];
  /** One request begins; `leave` when it was answered. */
  enter(
    account: { account: string; product?: Moment['product'] },
    at: TroubledPlace,
  ): { refusal: Refusal | undefined; leave(): void };
  /** Accounts whose tokens were stolen or refreshed by somebody else since the last look. */
  thefts(): readonly { account: string; how: 'steal' | 'refresh' }[];
}

export function createTroubles(options: { clock: Pick<Clock, 'now'> }): Troubles {
  const patients = new Map<string, Map<TroubleName, Patient>>();
  const now = () => options.clock.now().getTime();
  const troubling = (account: string) => [...(patients.get(account)?.values() ?? [])];

  function momentOf(patient: Patient, product: Moment['product'], at: TroubledPlace): Moment {
    const nowMs = now();
    patient.seen++;
    patient.recent = [...patient.recent.filter((past) => past > nowMs - 1000), nowMs];
    const minute = Math.floor(nowMs / 60_000);
    if (patient.minute.at !== minute) patient.minute = { at: minute, count: 0 };
    patient.minute.count++;
    return {
      amount: patient.trouble.amount ?? 0,
      at,
      product,
      seen: patient.seen,
      inSecond: patient.recent.length,
      inMinute: patient.minute.count,
      atOnce: patient.atOnce,
    };
  }

  return {
    begin: (account, trouble) => {
      const mine = patients.get(account) ?? new Map<TroubleName, Patient>();
      patients.set(account, mine);
      mine.set(trouble.name, {
        trouble,
        row: TROUBLES[trouble.name],
        seen: 0,
        refused: 0,
        atOnce: 0,
        recent: [],
        minute: { at: 0, count: 0 },
        stolenAt: now(),
      });
    },
    heal: (account, name) => {
      if (name) patients.get(account)?.delete(name);
      else patients.delete(account);
    },
    list: (account) => troubling(account).map(({ trouble }) => trouble),
    enter: ({ account, product = 'official' }, at) => {
      const looking = troubling(account).filter(({ row }) => row.at.includes(at));
      for (const patient of looking) patient.atOnce++;
      let refusal: Refusal | undefined;
      for (const patient of looking) {
        const wanted = patient.row.refuse?.(momentOf(patient, product, at));
        if (!wanted || refusal) continue;
        refusal = wanted;
        patient.refused++;
        if (patient.refused === patient.trouble.times) patients.get(account)?.delete(patient.trouble.name);
      }
      return {
        refusal,
        leave: () => {
          for (const patient of looking) patient.atOnce--;
        },
      };
    },
    thefts: () => {
      const found: { account: string; how: 'steal' | 'refresh' }[] = [];
      for (const [account, mine] of patients) {
        for (const patient of mine.values()) {
          if (!patient.row.thief || now() < patient.stolenAt + (patient.trouble.amount ?? 0)) continue;
          patient.stolenAt = now();
          found.push({ account, how: patient.row.thief });
        }
      }
      return found;
    },
  };
}
