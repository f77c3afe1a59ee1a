/** What is wrong in this process, as its parts report it: one condition for each code of pipeline/checks. */

export interface Condition {
  /** A code of the list of checks. */
  readonly code: string;
  readonly since: Date;
  readonly count: number;
  readonly detail: Readonly<Record<string, string | number>>;
  /** Nothing but a new process helps. */
  readonly isFatal?: boolean;
}

export interface Health {
  /** Never waits, never fails. Repeated, its numbers are renewed. */
  setUnhealthy(
    code: string,
    facts?: { count?: number; detail?: Condition['detail']; isFatal?: boolean },
  ): void;
  setHealthy(code: string): void;
  /** `look` is called before the conditions are told, and reports what only looking tells. */
  addProbe(look: () => Promise<void>): void;
  /** Calls all looks. Never rejects: what cannot be asked is not unhealthy yet. */
  refresh(): Promise<void>;
  list(): readonly Condition[];
}

export function createHealth(now: () => Date): Health {
  const conditions = new Map<string, Condition>();
  const looks: (() => Promise<void>)[] = [];
  return {
    setUnhealthy: (code, { count = 1, detail = {}, isFatal = false } = {}) => {
      const since = conditions.get(code)?.since ?? now();
      conditions.set(code, { code, since, count, detail, ...(isFatal ? { isFatal } : {}) });
    },
    setHealthy: (code) => {
      conditions.delete(code);
    },
    addProbe: (look) => {
      looks.push(look);
    },
    refresh: async () => {
      await Promise.allSettled(looks.map(async (look) => look()));
    },
    list: () => [...conditions.values()],
  };
}

/** For /livez, which is open: 200 while shutting down too, or a supervisor would cut what is being finished. */
export function liveness(health: Pick<Health, 'list'>): {
  code: 200 | 503;
  body: { status: 'ok' | 'stuck'; reasons: string[] };
} {
  const reasons = health.list().flatMap(({ code, isFatal }) => (isFatal ? [code] : []));
  return reasons.length > 0
    ? { code: 503, body: { status: 'stuck', reasons } }
    : { code: 200, body: { status: 'ok', reasons } };
}
