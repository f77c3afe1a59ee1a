/** The conditions of this process that its parts report: at most one for each code of the list of checks. */

export interface Condition {
  /** A code of the list of checks. */
  readonly code: string;
  readonly since: Date;
  readonly count: number;
  readonly detail: Readonly<Record<string, string | number>>;
  /** Whether only a restart of the process helps. */
  readonly isFatal?: boolean;
}

export interface Health {
  /** Sets a condition, or updates its count and detail; `since` does not change. */
  setUnhealthy(
    code: string,
    facts?: { count?: number; detail?: Condition['detail']; isFatal?: boolean },
  ): void;
  setHealthy(code: string): void;
  /** Adds a function that {@link Health.refresh} calls, for conditions that only a check can find. */
  addProbe(probe: () => Promise<void>): void;
  /** Calls all probes. Never rejects: a probe that fails changes no condition. */
  refresh(): Promise<void>;
  list(): readonly Condition[];
}

export function createHealth(now: () => Date): Health {
  const conditions = new Map<string, Condition>();
  const probes: (() => Promise<void>)[] = [];
  return {
    setUnhealthy: (code, { count = 1, detail = {}, isFatal = false } = {}) => {
      const since = conditions.get(code)?.since ?? now();
      conditions.set(code, { code, since, count, detail, ...(isFatal ? { isFatal } : {}) });
    },
    setHealthy: (code) => {
      conditions.delete(code);
    },
    addProbe: (probe) => {
      probes.push(probe);
    },
    refresh: async () => {
      await Promise.allSettled(probes.map(async (probe) => probe()));
    },
    list: () => [...conditions.values()],
  };
}

/**
 * Returns the response of /livez. It is also 200 during shutdown; otherwise a supervisor would kill the jobs that are
 * about to end.
 */
export function liveness(health: Pick<Health, 'list'>): {
  code: 200 | 503;
  body: { status: 'ok' | 'stuck'; reasons: string[] };
} {
  const reasons = health.list().flatMap(({ code, isFatal }) => (isFatal ? [code] : []));
  return reasons.length > 0
    ? { code: 503, body: { status: 'stuck', reasons } }
    : { code: 200, body: { status: 'ok', reasons } };
}
