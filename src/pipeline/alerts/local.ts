/** Findings of this process: remembered while they last, so that they can be told with the catalogue away. */
import type { Finding } from '../checks/findings.ts';

export interface Local extends Finding {
  /** When it was last told, by any process. */
  saidAt: Date | undefined;
  /** A row knows it: the process that leads tells it, and that it ended. */
  isRecorded: boolean;
  endedAt: Date | undefined;
}

export interface LocalFindings {
  /** These are so now, and no others. */
  update(found: readonly Finding[], now: Date): void;
  open(): Local[];
  /** Told by this process alone and over: the end is this process's to tell too. */
  endedAlone(): Local[];
  /** Its end was told. */
  forget(local: Local): void;
}

export function createLocalFindings(): LocalFindings {
  const open = new Map<string, Local>();
  let ended: Local[] = [];
  return {
    update: (found, now) => {
      for (const finding of found) {
        const known = open.get(finding.code);
        const { since } = known ?? finding;
        const fresh = { saidAt: undefined, isRecorded: false, endedAt: undefined };
        open.set(finding.code, Object.assign(known ?? fresh, { ...finding, since }));
      }
      const codes = new Set<string>(found.map(({ code }) => code));
      for (const [code, local] of open) {
        if (codes.has(code)) continue;
        open.delete(code);
        if (local.saidAt && !local.isRecorded) ended.push(Object.assign(local, { endedAt: now }));
      }
    },
    open: () => [...open.values()],
    endedAlone: () => ended,
    forget: (local) => {
      ended = ended.filter((one) => one !== local);
    },
  };
}
