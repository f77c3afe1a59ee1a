/** Processes that tests left running: a killed test cannot close what it started. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/**
 * Those that were started for the run in `folder`: it is their TMPDIR, or they work inside it (Redis and Postgres
 * write over their environment to show a title). Reads /proc, so it finds nothing outside Linux.
 */
export async function findLeftovers(folder: string): Promise<Leftover[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const leftovers: Leftover[] = [];
  for (const pid of pids) {
    if (pid === process.pid) continue;
    const [environment, place, command] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ]);
    const ours = environment.split('\0').includes(`TMPDIR=${folder}`) || place.startsWith(`${folder}/`);
    if (ours && command) leftovers.push({ pid, command: command.replaceAll('\0', ' ').trim().slice(0, 200) });
  }
  return leftovers;
}

export async function killLeftovers(folder: string): Promise<Leftover[]> {
  const leftovers = await findLeftovers(folder);
  for (const { pid } of leftovers) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {} // ended in the meantime
  }
  return leftovers;
}
