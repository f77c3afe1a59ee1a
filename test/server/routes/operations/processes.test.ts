/** GET /v1/processes: what each process reports about itself, in the words of the list of checks. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { startHeartbeat } from '../../../../src/app/worker.ts';
import { processesSchema } from '../../../../src/server/routes/operations/processes.ts';
import { HEARTBEAT } from '../../../catalogue/items.ts';
import { eventually } from '../../../queue/handled.ts';
import { openTestServer, type TestServer } from '../../setup.ts';

interface Process {
  name: string;
  isAlive: boolean;
  leftAt?: string;
  [field: string]: unknown;
}

describe('the processes', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  async function list(language = 'en'): Promise<Process[]> {
    const response = await s.call('/v1/processes', { key: 'read', headers: { 'accept-language': language } });
    const body = (await response.json()) as { items: Process[] };
    processesSchema.parse(body);
    return body.items;
  }

  it('are shown with version, items in hand and what they report, also after they died', async () => {
    const beat = (id: string, conditions: { code: string; detail: Record<string, string> }[] = []) =>
      s.context.catalogue.processes.heartbeat(id, {
        ...HEARTBEAT,
        name: `host (${id})`,
        isWorker: true,
        clockAheadMs: -20,
        conditions: conditions.map((one) => ({ ...one, since: new Date('2026-05-01T00:00:00Z'), count: 1 })),
      });
    const conditions = [
      { code: 'loop_failing', detail: { loops: 'sweeper' } },
      { code: 'of_a_newer_release', detail: {} },
    ];
    await beat('a', conditions);
    await beat('b');
    await s.context.database.query(
      "UPDATE wma.process SET heartbeat_at = heartbeat_at - interval '16 s' WHERE id = 'b'",
    );
    const [a, b] = await list();
    const { startedAt, heartbeatAt, ...fields } = a!;
    assert.ok(new Date(String(heartbeatAt)).getTime() - new Date(String(startedAt)).getTime() >= 59_000);
    const since = '2026-05-01T00:00:00.000Z';
    assert.deepEqual(fields, {
      name: 'host (a)',
      program: 'worker',
      version: '1.2.3',
      isWorker: true,
      isAlive: true,
      inHand: 2,
      clockAheadMs: -20,
      conditions: [
        {
          code: 'loop_failing',
          since,
          count: 1,
          message: 'Background work of host (a) fails again and again: sweeper.',
        },
        { code: 'of_a_newer_release', since, count: 1, message: 'of_a_newer_release' },
      ],
    });
    assert.deepEqual([b?.name, b?.isAlive, b?.inHand, b?.leftAt], ['host (b)', false, 0, undefined]);
    const [zh] = (await list('zh'))[0]!.conditions as { message: string }[];
    assert.match(zh!.message, /后台任务持续失败/);
    await s.json('/v1/processes', { key: 'schoolRead' }, 403);
    await s.context.database.query('DELETE FROM wma.process');
  });

  it('report the version of package.json and the name of their program', async () => {
    startHeartbeat(s.context, { isWorker: false });
    await eventually('its heartbeat', async () => (await list()).length > 0);
    const own = (await list())[0]!;
    const manifest = new URL('../../../../package.json', import.meta.url);
    assert.equal(own.version, JSON.parse(readFileSync(manifest, 'utf8')).version);
    assert.deepEqual(
      [own.name, own.program, own.isWorker, own.isAlive],
      [s.context.process, 'test', false, true],
    );
  });
});
