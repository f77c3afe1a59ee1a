/**
 * What a check is: one condition that people must be told of. All checks stand in one list (table.ts), and five users
 * are computed from it: /readyz, the doctor, the metric `wma_check_failing`, the alerts and the page's state line. No
 * user has a check of its own.
 *
 * To add a check:
 * 1. The fact. A condition of the whole: add a field to {@link Facts} and read it in gather.ts. A condition of one
 *    process: report it there with `health.setUnhealthy(code)` and `health.setHealthy(code)`; it is then in
 *    `facts.conditions` already.
 * 2. The entry: in the file of its part (parts.ts, store.ts, processes.ts, accounts.ts, media.ts), with its words in
 *    English and Chinese, and `find`, which turns the fact into findings. `reported(code)` is the `find` of a condition
 *    of a process.
 * 3. The test: one entry in test/server/checks/checks.test.ts that makes the condition real, and ends it.
 * 4. `node bin/run.js docs/generate/main.ts` writes it into docs/operations.md.
 * Nothing else: all five users show it from then on.
 */
import type { AccountState } from '../../catalogue/accounts/accounts.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import type { AtRisk, CallbackDays, Counted } from '../../catalogue/alerts/facts.ts';
import type { LiveProcess, WorkerStatus } from '../../catalogue/processes/registry.ts';
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import type { Explanation, Failure } from '../../failures.ts';
import type { QueueCounts } from '../../queue/queue.ts';
import type { Condition } from '../../runtime/health.ts';
import type { StoreFinding } from '../maintenance/store-check.ts';

export type LocalizedText = Explanation['message'];

/** A part of the program, as /readyz lists it under `checks`. */
export const COMPONENTS = [
  'catalogue',
  'spool',
  'queue',
  'store',
  'workers',
  'process',
  'accounts',
  'media',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** A finding in the words of its sentence. `target` is named as people know it. */
export type NamedFinding = Pick<FindingFields, 'target' | 'count' | 'detail'>;

export interface FindingFields {
  /** An account, a process, or empty for all of it. */
  readonly target: string;
  readonly since: Date;
  readonly count: number;
  /** What its sentence is made of; no secret. */
  readonly detail: Readonly<Record<string, string | number>>;
}

export type Audience = 'readyz' | 'doctor' | 'alerts' | 'page';

export interface Check {
  /** error: something stands still. warning: something is to be fixed. notice: something is to be looked at. */
  readonly severity: 'error' | 'warning' | 'notice';
  readonly component: Component;
  /** What `target` is; absent: there is one of it. */
  readonly target?: 'account' | 'process';
  /** For docs/operations.md: when it begins and when it ends. */
  readonly rule: string;
  readonly begun: (said: NamedFinding) => LocalizedText;
  readonly ended: (said: NamedFinding) => LocalizedText;
  readonly advice: (said: NamedFinding) => LocalizedText;
  /** Undefined: the facts do not tell, so it has neither begun nor ended. */
  readonly find: (facts: Facts) => readonly Partial<FindingFields>[] | undefined;
  /** Who is not told of it; the entry says why. The metric is told of all. */
  readonly except?: readonly Audience[];
  /** How long it must last before an alert is sent. Real time. Default: 0. */
  readonly alertAfterMs?: number;
  /** No alert while one of these is found: it is the same incident. */
  readonly alertUnless?: readonly string[];
}

/** Whether a part responds, and if not, since when and why. */
export type ComponentFact =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure?: Failure | undefined };

export interface AccountFact extends AccountState {
  /** Its callbacks by day, read where it has been silent for a day. */
  readonly days?: ReturnType<CallbackDays['get']>;
}

/** What was seen. A field that is absent could not be asked, or was not. */
export interface Facts {
  readonly now: Date;
  /** `host (program, pid)` of the process that looks. */
  readonly process: string;
  readonly catalogue?: ComponentFact;
  /** `refused`: it responds, and takes no jobs. */
  readonly queue?: ComponentFact & { readonly counts?: QueueCounts; readonly refused?: string };
  /** As a probe of the store met it. */
  readonly store?: ComponentFact;
  /** As the doctor tried it: all that is ever asked of it. */
  readonly storeFindings?: readonly StoreFinding[];
  /** The configured accounts. */
  readonly accounts?: readonly AccountFact[];
  /** The customer-service accounts whose messages are not read. */
  readonly customerService?: readonly KfAccountState[];
  readonly storeHold?: { readonly hold: StoreHoldState | undefined };
  readonly atRisk?: AtRisk;
  /** Expired within six hours, and within seven days. */
  readonly expired?: { readonly recent: Counted; readonly week: Counted };
  /** Dead letters of the last seven days. */
  readonly dead?: Counted;
  readonly storeRefused?: Counted;
  /** Those that live, as their heartbeats tell it. */
  readonly processes?: readonly LiveProcess[];
  readonly workers?: WorkerStatus;
  /** The last verification that ended. */
  readonly drift?: { readonly id: string; readonly count: number; readonly total: number; readonly at: Date };
  /** What the parts of this process report. What others report stands with them in `processes`. */
  readonly conditions?: readonly Condition[];
}

/** `find` of a check that the parts of a process report; see ../../runtime/health.ts. */
export const findReported =
  (code: string): Check['find'] =>
  ({ conditions, process, processes = [] }) => {
    if (!conditions) return undefined;
    const others = processes.filter(({ name }) => name !== process);
    return [{ name: process, conditions }, ...others].flatMap(({ name, conditions }) =>
      conditions
        .filter((condition) => condition.code === code)
        .map(({ since, count, detail }) => ({ target: name, since, count, detail })),
    );
  };

export const fixedText = (en: string, zh: string) => () => ({ en, zh });

export const formatDuration = (seconds: number): string => {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return '1 min';
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
};

export const findCounted = (fact: Counted | undefined): readonly Partial<FindingFields>[] | undefined =>
  fact && (fact.count > 0 ? [{ count: fact.count, ...(fact.firstAt ? { since: fact.firstAt } : {}) }] : []);
