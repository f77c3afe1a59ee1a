/** Findings of this process: remembered while they last, so that they can be told with the catalogue away. */
import type { Finding } from '../checks/findings.ts';

export interface LocalFinding extends Finding {
  /** When it was last told, by any process. */
  alertedAt: Date | undefined;
  /** A row knows it: the process that leads tells it, and that it ended. */
  isRecorded: boolean;
  endedAt: Date | undefined;
}

export interface LocalFindings {
  /** These are so now, and no others. */
  update(found: readonly Finding[], now: Date): void;
  open(): LocalFinding[];
  /** Told by this process alone and over: the end is this process's to tell too. */
  endedAlone(): LocalFinding[];
  /** Its end was told. */
  remove(local: LocalFinding): void;
}

export function createLocalFindings(): LocalFindings {
  const open = new Map<string, LocalFinding>();
  let ended: LocalFinding[] = [];
  return {
    update: (found, now) => {
      for (const finding of found) {
        const known = open.get(finding.code);
        const { since } = known ?? finding;
        const fresh = { alertedAt: undefined, isRecorded: false, endedAt: undefined };
        open.set(finding.code, Object.assign(known ?? fresh, { ...finding, since }));
      }
      const codes = new Set<string>(found.map(({ code }) => code));
      for (const [code, local] of open) {
        if (codes.has(code)) continue;
        open.delete(code);
        if (local.alertedAt && !local.isRecorded) ended.push(Object.assign(local, { endedAt: now }));
      }
    },
    open: () => [...open.values()],
    endedAlone: () => ended,
    remove: (local) => {
      ended = ended.filter((one) => one !== local);
    },
  };
}
