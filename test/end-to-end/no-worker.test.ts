/** The only worker is killed: within a minute all users of the list of checks show it, and nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, untilReady } from './programs.ts';
import { setupProcesses } from './separate-processes.ts';

const LONG = { timeout: 300_000 };
const TOLD_WITHIN_MS = 60_000;
const CODE = 'workers_missing';

interface Process {
  program: string;
  isAlive: boolean;
  inHand: number;
}
interface Finding {
  code?: string;
}

test(
  'a minute after the only worker was killed, page, readyz, metrics, doctor and processes show it, until one is back',
  LONG,
  async (t) => {
    const service = await setupProcesses(t);
    if (!service) return;
    const { start, env, url, get, send, untilRunning, untilArchived } = service;
    start('src/server/main.ts');
    const worker = start('workers/archive.ts');
    await untilReady(url);
    await worker.untilOutput(/"worker: started"/);

    const headers = { authorization: `Bearer ${env.API_KEYS.replace('admin:', '')}` };
    const processes = async () =>
      (await get<{ items: Process[] }>('/v1/processes')).items.map(({ program, isAlive, inHand }) => ({
        program,
        isAlive,
        inHand,
      }));
    const whoShows = async () => {
      const [ready, stats, metrics, doctor] = await Promise.all([
        fetch(`${url}/readyz`).then(async (response) => (await response.json()) as { degraded: string[] }),
        get<{ checks: Finding[] }>('/v1/stats'),
        fetch(`${url}/metrics`, { headers }).then((response) => response.text()),
        fetch(`${url}/v1/doctor`, { method: 'POST', headers }).then(
          async (response) => (await response.json()) as { checks: Finding[] },
        ),
      ]);
      return {
        readyz: ready.degraded.includes(CODE),
        page: stats.checks.some(({ code }) => code === CODE),
        metrics: new RegExp(`^wma_check_failing\\{code="${CODE}"\\} 1$`, 'm').test(metrics),
        doctor: doctor.checks.some(({ code }) => code === CODE),
      };
    };

    const stuck = await send({ kind: 'image', fault: { name: 'stall', times: 1 } });
    assert.ok(stuck);
    await untilRunning(stuck);
    await until('the worker reports the item that it has in hand', async () =>
      (await processes()).some(({ program, inHand }) => program === 'worker' && inHand === 1),
    );
    assert.deepEqual(Object.values(await whoShows()), [false, false, false, false]);

    await worker.end('SIGKILL');
    const later = await send({ kind: 'voice' });
    assert.ok(later);
    await until('all show it', async () => Object.values(await whoShows()).every(Boolean), TOLD_WITHIN_MS);
    assert.deepEqual(await processes(), [
      { program: 'server', isAlive: true, inHand: 0 },
      { program: 'worker', isAlive: false, inHand: 0 },
    ]);

    start('workers/archive.ts');
    await until('none shows it', async () => Object.values(await whoShows()).every((shows) => !shows));
    await untilArchived(later);
    await untilArchived(stuck);
  },
);
