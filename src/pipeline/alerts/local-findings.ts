/** The findings about this process, kept in memory so that alerts can be sent while the catalogue is unavailable. */
import type { Finding } from '../checks/findings.ts';

export interface LocalFinding extends Finding {
  /** When it was last sent, by any process. */
  alertedAt: Date | undefined;
  /** It has a row: the leading process sends it, and its end. */
  isRecorded: boolean;
  endedAt: Date | undefined;
}

export interface LocalFindings {
  /** Replaces the open findings. */
  update(found: readonly Finding[], now: Date): void;
  open(): LocalFinding[];
  /** Ended findings that only this process has sent: it sends their end too. */
  endedAlone(): LocalFinding[];
  /** Its end was sent. */
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
