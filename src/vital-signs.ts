/** What ails this process as a whole, as its parts tell it: for /livez and /readyz. */

export interface Ailment {
  readonly part: string;
  /** In words that follow the part's name. */
  readonly what: string;
  /** Nothing but a new process helps. */
  readonly isFatal?: boolean;
}

export interface VitalSigns {
  ails(ailment: Ailment): void;
  isWell(part: string): void;
  list(): readonly Ailment[];
}

export function createVitalSigns(): VitalSigns {
  const ailments = new Map<string, Ailment>();
  return {
    ails: (ailment) => {
      ailments.set(ailment.part, ailment);
    },
    isWell: (part) => {
      ailments.delete(part);
    },
    list: () => [...ailments.values()],
  };
}

/** The answer to /livez: 200 while shutting down too, or a supervisor would cut what is being finished. */
export function liveness(signs: Pick<VitalSigns, 'list'>): {
  code: 200 | 503;
  body: { status: 'ok' | 'stuck'; reasons: string[] };
} {
  const reasons = signs.list().flatMap(({ part, what, isFatal }) => (isFatal ? [`${part} ${what}`] : []));
  return reasons.length > 0
    ? { code: 503, body: { status: 'stuck', reasons } }
    : { code: 200, body: { status: 'ok', reasons } };
}
