/** GET /v1/stats/history: which steps a period is divided into, and whose items it counts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { historySchema } from '../../../../src/server/routes/operations/history.ts';
import { statsSchema } from '../../../../src/server/routes/operations/stats.ts';
import { openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

interface Point {
  at: string;
  received: number;
  archived: number;
  dead: number;
  expired: number;
  bytes: number;
  backlog: number;
}
interface History {
  from: string;
  to: string;
  stepSeconds: number;
  points: Point[];
}
interface Problem {
  errors: { field: string; message: string }[];
}

describe('the history', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  async function read(
    query: Record<string, string> = {},
    key: 'read' | 'schoolRead' = 'read',
  ): Promise<History> {
    const body = await s.json<History>(`/v1/stats/history?${new URLSearchParams(query)}`, { key });
    historySchema.parse(body);
    return body;
  }
  const refused = async (query: Record<string, string>) =>
    (await s.json<Problem>(`/v1/stats/history?${new URLSearchParams(query)}`, { key: 'read' }, 400)).errors;

  it('shows the last 24 hours without a gap where the client asks for nothing else', async () => {
    const { from, to, stepSeconds, points } = await read();
    assert.equal(stepSeconds, 300);
    assert.equal(points[0]?.at, from);
    for (const [index, { at }] of points.entries())
      assert.equal(new Date(at).getTime(), new Date(from).getTime() + index * 300_000);
    const lastsMs = new Date(to).getTime() - new Date(from).getTime();
    assert.ok(lastsMs >= DAY_MS && lastsMs < DAY_MS + 300_000, String(lastsMs));
    assert.equal(points.length, Math.ceil(lastsMs / 300_000));
  });

  it('chooses a step that a chart can show for each period', async () => {
    for (const [from, stepSeconds] of [
      ['1h', 60],
      ['24h', 300],
      ['7d', 3_600],
      ['90d', 28_800],
    ] as const) {
      const history = await read({ from });
      assert.equal(history.stepSeconds, stepSeconds, from);
      assert.ok(history.points.length <= 300);
    }
  });

  it('begins days at midnight in Beijing, all year', async () => {
    const { points } = await read({ from: '400d', step: '1d' });
    assert.ok(points.length >= 400);
    for (const { at } of points) assert.match(at, /T16:00:00\.000Z$/);
    const sixes = await read({ from: '10d', step: '6h' });
    assert.deepEqual([...new Set(sixes.points.map(({ at }) => at.slice(11, 13)))].sort(), [
      '04',
      '10',
      '16',
      '22',
    ]);
  });

  it('names a step that fits where the step makes too many points, or minutes are no longer kept', async () => {
    assert.deepEqual(await refused({ from: '24h', step: '1m' }), [
      {
        field: 'step',
        message: 'makes 1441 points, more than 500: the shortest step that fits is 3m',
      },
    ]);
    const [old] = await refused({ from: '4d', to: '3d', step: '10m' });
    assert.match(old!.message, /only hours .* the shortest step that fits is 1h$/);
    const [odd] = await refused({ step: '7m' });
    assert.match(odd!.message, /must be one of 1m, .*1d/);
    const [long] = await refused({ from: '600d' });
    assert.match(long!.message, /shorter period/);
    const [empty] = await refused({ from: '1h', to: '2h' });
    assert.equal(empty?.field, 'from');
    assert.equal((await refused({ from: 'yesterday' }))[0]?.field, 'from');
    assert.match((await refused({ span: '1h' }))[0]!.message, /not a parameter/);
  });

  it('counts what happened in its step, for one account or for all that the key may see', async () => {
    const content = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
    await s.createArchived(reference(), content);
    await s.createDead(reference());
    await s.context.accept([reference(), reference({ account: SAFE.account })]);
    const last = async (query: Record<string, string> = {}, key: 'read' | 'schoolRead' = 'read') => {
      // A step that begins between these statements would be the last one.
      const points = (await read({ from: '1h', step: '1m', ...query }, key)).points;
      const sum = (name: keyof Omit<Point, 'at'>) => points.reduce((all, point) => all + point[name], 0);
      return {
        received: sum('received'),
        archived: sum('archived'),
        dead: sum('dead'),
        bytes: sum('bytes'),
        backlog: points.at(-1)?.backlog,
        before: points[0]?.backlog,
      };
    };
    const all = { received: 4, archived: 1, dead: 1, bytes: 9, backlog: 2, before: 0 };
    const school = { received: 1, archived: 0, dead: 0, bytes: 0, backlog: 1, before: 0 };
    assert.deepEqual(await last(), all);
    assert.deepEqual(await last({ account: 'shop' }), { ...all, received: 3, backlog: 1 });
    assert.deepEqual(await last({ account: SAFE.account }), school);
    assert.deepEqual(await last({}, 'schoolRead'), school);
    assert.deepEqual(await last({ account: 'school' }, 'schoolRead'), school);
    await s.json(`/v1/stats/history?account=${PLAIN.account}`, { key: 'schoolRead' }, 403);
    const past = await read({ from: ago(3 * HOUR_MS), to: ago(2 * HOUR_MS) });
    assert.ok(past.points.every(({ received, backlog }) => received === 0 && backlog === 0));
  });

  it('is joined by the number of items lost in the last seven days, until they are redriven', async () => {
    const lost = async () => {
      const body = await s.json<{ lostLast7Days: number }>('/v1/stats', { key: 'read' });
      statsSchema.parse(body);
      return body.lostLast7Days;
    };
    assert.equal(await lost(), 0);
    const expire = async (closedAt: Date) => {
      const [accepted] = await s.context.accept([
        reference({ sentAt: new Date(closedAt.getTime() - 4 * DAY_MS) }),
      ]);
      const failure = { code: 'expired', class: 'permanent_media' } as const;
      await s.context.catalogue.outcomes.closeExpired([accepted!.id], closedAt, failure);
      return accepted!.id;
    };
    const id = await expire(new Date());
    await expire(new Date(Date.now() - 8 * DAY_MS));
    assert.equal(await lost(), 1);
    await s.context.catalogue.redrives.redriveOne(id, new Date(), { actor: 'test', force: true });
    assert.equal(await lost(), 0);
  });
});
