/**
 * A check is one condition that people must know of. All checks are in one list (table.ts), and five users are computed
 * from it: /readyz, the doctor, the metric `wma_check_failing`, the alerts and the dashboard's state line. No user has a
 * check of its own.
 *
 * To add a check:
 * 1. The fact. A condition of the installation: add a field to {@link Facts} and read it in gather.ts. A condition of one
 *    process: report it there with `health.setUnhealthy(code)` and `health.setHealthy(code)`; it is then in
 *    `facts.conditions` already.
 * 2. The entry: in the file of its component (infrastructure.ts, store.ts, processes.ts, accounts.ts, media.ts, webhooks.ts), with its
 *    texts in English and Chinese, and `find`, which turns the fact into findings. `findReported(code)` is the `find` of a
 *    condition of a process.
 * 3. The test: one entry in test/server/checks/checks.test.ts that makes the condition real, and ends it.
 * 4. `node bin/run.js docs/generate/main.ts` writes it into docs/operations.md.
 * Nothing else is needed: all five users show it from then on.
 */
import type { AccountState } from '../../catalogue/accounts/accounts.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import type { AtRisk, CallbackDays, Counted } from '../../catalogue/alerts/facts.ts';
import type { LiveProcess, WorkerStatus } from '../../catalogue/processes/registry.ts';
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import type { WebhookEndpoint } from '../../catalogue/webhooks/endpoint-row.ts';
import type { Explanation, Failure } from '../../failures.ts';
import type { QueueCounts } from '../../queue/queue.ts';
import type { Condition } from '../../runtime/health.ts';
import type { StoreFinding } from '../maintenance/store-check.ts';

export type LocalizedText = Explanation['message'];

/** The components of the program, as /readyz lists them under `checks`. */
export const COMPONENTS = [
  'catalogue',
  'spool',
  'queue',
  'store',
  'workers',
  'process',
  'accounts',
  'media',
  'webhooks',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** A finding as its sentence is made of it. `target` is the name that people know. */
export type NamedFinding = Pick<FindingFields, 'target' | 'count' | 'detail'>;

export interface FindingFields {
  /** An account, a process, a webhook endpoint, or empty for the whole installation. */
  readonly target: string;
  readonly since: Date;
  readonly count: number;
  /** The values in its sentence. Never a secret. */
  readonly detail: Readonly<Record<string, string | number>>;
}

export type Audience = 'readyz' | 'doctor' | 'alerts' | 'page';

export interface Check {
  /** error: some work has stopped. warning: something must be fixed. notice: something should be examined. */
  readonly severity: 'error' | 'warning' | 'notice';
  readonly component: Component;
  /** What `target` is. Absent where there is only one. */
  readonly target?: 'account' | 'process' | 'webhook';
  /** For docs/operations.md: when it begins and when it ends. */
  readonly rule: string;
  readonly begun: (finding: NamedFinding) => LocalizedText;
  readonly ended: (finding: NamedFinding) => LocalizedText;
  readonly advice: (finding: NamedFinding) => LocalizedText;
  /** Returns undefined where the facts are missing: the condition has then neither begun nor ended. */
  readonly find: (facts: Facts) => readonly Partial<FindingFields>[] | undefined;
  /** Users that do not show it; the entry says why. The metric shows all. */
  readonly except?: readonly Audience[];
  /** How long it must last before an alert is sent. Real time. Default: 0. */
  readonly alertAfterMs?: number;
  /** No alert while one of these is found: they have the same cause. */
  readonly alertUnless?: readonly string[];
}

/** Whether a component responds, and if not, why. */
export type ComponentFact =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure?: Failure | undefined };

export interface AccountFact extends AccountState {
  /** Its callbacks by day. Read only where it has been silent for a day. */
  readonly days?: ReturnType<CallbackDays['get']>;
}

/** What was read. A field is absent where it could not be read or was not needed. */
export interface Facts {
  readonly now: Date;
  /** `host (program, pid)` of the process that runs the checks. */
  readonly process: string;
  readonly catalogue?: ComponentFact;
  /** `refused`: it responds, but accepts no jobs. */
  readonly queue?: ComponentFact & { readonly counts?: QueueCounts; readonly refused?: string };
  /** The result of a store check. */
  readonly store?: ComponentFact;
  /** The results of the doctor's complete test of the store. */
  readonly storeFindings?: readonly StoreFinding[];
  /** The configured accounts. */
  readonly accounts?: readonly AccountFact[];
  /** The customer-service accounts whose messages could not be read. */
  readonly customerService?: readonly KfAccountState[];
  readonly storeHold?: { readonly hold: StoreHoldState | undefined };
  readonly atRisk?: AtRisk;
  /** Expired and not acknowledged: within six hours, and at any time. */
  readonly expired?: { readonly recent: Counted; readonly all: Counted };
  /** Dead letters that are not acknowledged. */
  readonly dead?: Counted;
  /** Endpoints that have been failing for an hour, and those that the program has disabled. */
  readonly webhooks?: {
    readonly failing: readonly WebhookEndpoint[];
    readonly disabled: readonly WebhookEndpoint[];
  };
  readonly storeRefused?: Counted;
  /** When the oldest event happened that is not in the feed yet. */
  readonly events?: { readonly waitingSince: Date | undefined };
  /** The live processes, by their heartbeats. */
  readonly processes?: readonly LiveProcess[];
  readonly workers?: WorkerStatus;
  /** The last verification that ended; null: none has. */
  readonly drift?: {
    readonly id: string;
    readonly count: number;
    readonly total: number;
    readonly at: Date;
  } | null;
  /** The conditions that this process reports. Those of the others are in `processes`. */
  readonly conditions?: readonly Condition[];
}

/** Returns the `find` of a check that processes report; see ../../runtime/health.ts. */
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
