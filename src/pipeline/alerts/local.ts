/** Troubles of this process: kept here while they last, so that they can be told with the catalogue away. */
import type { Trouble } from '../../catalogue/incidents.ts';
import type { LocalKind } from './kinds.ts';

/** What programs tell; never waits, never fails. */
export interface Conditions {
  /** It is so; repeated, its numbers are renewed. */
  report(kind: LocalKind, facts?: { count?: number; detail?: Trouble['detail'] }): void;
  /** It is not so any more. */
  clear(kind: LocalKind): void;
}

export interface Local extends Trouble {
  readonly kind: LocalKind;
  /** When it was last said, by whomever. */
  saidAt: Date | undefined;
  /** A row knows it: whoever leads says it, and that it ended. */
  isRecorded: boolean;
  endedAt: Date | undefined;
}

export interface LocalTroubles extends Conditions {
  /** Those that are so now. */
  open(): Local[];
  /** Said by this process alone and over: the end is this process's to say too. */
  endedAlone(): Local[];
  /** Its end was said. */
  forget(local: Local): void;
}

export function createLocalTroubles(deps: { target: string; now: () => Date }): LocalTroubles {
  const open = new Map<LocalKind, Local>();
  let ended: Local[] = [];
  return {
    report: (kind, { count = 1, detail = {} } = {}) => {
      const known = open.get(kind);
      const base = known ?? {
        kind,
        target: deps.target,
        since: deps.now(),
        saidAt: undefined,
        isRecorded: false,
        endedAt: undefined,
      };
      open.set(kind, Object.assign(base, { count, detail }));
    },
    clear: (kind) => {
      const known = open.get(kind);
      open.delete(kind);
      if (known?.saidAt && !known.isRecorded) ended.push(Object.assign(known, { endedAt: deps.now() }));
    },
    open: () => [...open.values()],
    endedAlone: () => ended,
    forget: (local) => {
      ended = ended.filter((one) => one !== local);
    },
  };
}
