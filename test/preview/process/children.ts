/** Finds the converter processes of this process. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return ''; // It has ended meanwhile.
  }
}

/** Returns the ids of the converters that are running; a process that has ended and was not yet waited for is left out. */
export function converterPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [state, parent] = read(pid, 'stat')
        .replace(/^.*\) /s, '')
        .split(' ');
      return (
        Number(parent) === process.pid && state !== 'Z' && read(pid, 'cmdline').includes('converter/main.ts')
      );
    })
    .map(Number);
}

export const hasProc = process.platform === 'linux' ? false : 'no /proc on this machine';

/** Resolves when the process has ended and its parent knows. Rejects after ten seconds. */
export async function untilGone(pid: number): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > giveUpAt) throw new Error(`the process ${pid} has not ended`);
    await wait(10);
  }
}
