/** Reads what another process has used. */
import { readFileSync } from 'node:fs';

export interface ProcessUsage {
  /** Resident memory. */
  readonly memoryBytes: number;
  /** CPU time of all its threads since its start. */
  readonly cpuMs: number;
}

const BYTES_PER_KIB = 1_024;
/** The kernel reports CPU time in hundredths of a second on every architecture. */
const MS_PER_TICK = 10;
/** The fields `utime` and `stime` of proc_pid_stat(5), counted from the state, which follows the name. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/**
 * Returns undefined where there is no /proc (macOS) or no such process. Synchronous, because it takes 50 µs and no disk,
 * and the threads of asynchronous reads are those that fsync the spool.
 */
export function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    // The name of the program is in brackets and may contain spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    if (kib === undefined) return undefined;
    return {
      memoryBytes: Number(kib) * BYTES_PER_KIB,
      cpuMs: (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) * MS_PER_TICK,
    };
  } catch {
    return undefined;
  }
}
