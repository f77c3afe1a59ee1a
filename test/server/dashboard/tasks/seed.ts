/**
 * A service with a past, as an operator finds it in the morning: two accounts, one of them held; customers with
 * pictures and voices; dead letters of three weeks; items near their deadline; a worker that lives and one that died.
 */
import assert from 'node:assert/strict';
import { startHeartbeat, startSweeper } from '../../../../src/app/worker.ts';
import { writeAuditEntries } from '../../../../src/catalogue/audit-log/audit-log.ts';
import type { Reference } from '../../../../src/media.ts';
import { contentOf } from '../../../../src/simulator/media/contents.ts';
import { HEARTBEAT } from '../../../catalogue/items.ts';
import { openReceiver } from '../../../pipeline/alerts/receiver.ts';
import { silkOf } from '../../../preview/samples.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';
import { dayOf, lastWeek, lastWeekday, plusDays, timeOn } from './days.ts';

export const TUESDAY = 2;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What the tasks are about. */
export interface Seed {
  readonly s: TestServer;
  readonly receiver: Awaited<ReturnType<typeof openReceiver>>;
  readonly today: string;
  readonly tuesday: string;
  readonly lastWeek: { readonly monday: string; readonly sunday: string };
  /** The customer whose photo of Tuesday is looked for, and the item. */
  readonly customer: string;
  readonly photo: string;
  /** Who wants everything erased. */
  readonly leaving: string;
  readonly voices: Readonly<Record<'AMR' | 'AMR-WB' | 'SILK', string>>;
  readonly erased: string;
  /** An item with three attempts. */
  readonly tried: { readonly id: string; readonly msgId: string };
  /** Pending items with less than 6 h left. */
  readonly urgent: readonly string[];
  /** An archived item whose object was deleted behind our back. */
  readonly damaged: string;
  close(): Promise<void>;
}

type Fields = Partial<Reference>;

/** A picture, a voice or a video of the simulated WeChat. */
export function fileOf(kind: Parameters<typeof contentOf>[0]['kind'], seed: number) {
  const { contentType, extension, chunks } = contentOf({ kind, seed, sizeBytes: 0 });
  return { body: Buffer.concat([...chunks()]), contentType, extension };
}

/** Moves an item into the past: the real paths write the present. */
async function moveTo(s: TestServer, ids: readonly string[], at: Date): Promise<void> {
  await s.context.database.query(
    `UPDATE wma.media SET sent_at = $2::timestamptz, created_at = $2::timestamptz + interval '2 s',
       expires_at = $2::timestamptz + interval '72 h',
       updated_at = $2::timestamptz + interval '9 s',
       archived_at = CASE WHEN archived_at IS NOT NULL THEN $2::timestamptz + interval '4 s' END,
       closed_at = CASE WHEN closed_at IS NOT NULL THEN $2::timestamptz + interval '9 s' END
     WHERE id = ANY($1)`,
    [ids, at],
  );
  await s.context.database.query(
    `UPDATE wma.attempt SET started_at = $2::timestamptz + interval '3 s', ended_at = $2::timestamptz + interval '4 s'
     WHERE media = ANY($1)`,
    [ids, at],
  );
}

export async function archiveAt(
  s: TestServer,
  at: Date,
  fields: Fields,
  file: Parameters<TestServer['createArchived']>[1],
): Promise<string> {
  const id = await s.createArchived(reference(fields), file);
  await moveTo(s, [id], at);
  return id;
}

/** Dead items, sent at this time. */
export async function deadAt(
  s: TestServer,
  at: Date,
  count: number,
  errcode: number,
  fields: Fields = {},
): Promise<string[]> {
  const codes: Readonly<Record<number, string>> = { 40007: 'invalid_media_id', 46001: 'media_not_found' };
  const references = Array.from({ length: count }, () => reference(fields));
  const ids = (await s.context.accept(references)).map(({ id }) => id);
  await s.context.database.query(
    `UPDATE wma.media SET failure = $2, status = 'dead', stage = NULL, updated_at = now() WHERE id = ANY($1)`,
    [ids, { code: codes[errcode] ?? 'unknown', class: 'permanent_media', errcode }],
  );
  await moveTo(s, ids, at);
  return ids;
}

/** Waiting items with so much time left. */
export async function pendingFor(s: TestServer, leftMs: number, count: number, fields: Fields = {}) {
  const sentAt = new Date(Date.now() + leftMs - 3 * DAY_MS);
  const references = Array.from({ length: count }, () => reference({ ...fields, sentAt }));
  return (await s.context.accept(references)).map(({ id }) => id);
}

/** An item that was attempted three times: twice the system of WeChat was busy, then the id was refused. */
async function triedThrice(s: TestServer, at: Date, msgId: string): Promise<string> {
  const [id = ''] = await deadAt(s, at, 1, 40007, { kind: 'video', msgId, openId: 'o-tried-thrice' });
  for (const [minute, outcome, code, errcode] of [
    [1, 'failed', 'system_busy', -1],
    [5, 'failed', 'system_busy', -1],
    [20, 'dead', 'invalid_media_id', 40007],
  ] as const)
    await s.context.database.query(
      `INSERT INTO wma.attempt (media, started_at, ended_at, generation, outcome, code, errcode)
       VALUES ($1, $2, $2::timestamptz + interval '800 ms', $3, $4, $5, $6)`,
      [id, new Date(at.getTime() + minute * 60_000), minute, outcome, code, errcode],
    );
  await s.context.database.query('UPDATE wma.media SET attempts = 3 WHERE id = $1', [id]);
  return id;
}

/** Holds an account as a refused call of WeChat does. */
export async function holdFor(s: TestServer, account: string, code: string, errcode: number): Promise<void> {
  const why = { code, class: 'account', errcode, errmsg: 'invalid ip 203.0.113.7' };
  // Automatic holds are probed every few minutes; a longer one counts as the mistake of a wrong clock.
  await s.context.catalogue.accounts.hold(account, new Date(Date.now() + 5 * 60_000), why);
}

/** What the last day was like: each half hour as much as the one before, and a backlog that is worked off. */
export async function fillHistory(s: TestServer, account: string, hours: number): Promise<void> {
  await s.context.database.query(
    `INSERT INTO wma.history_minute (at, account, shard, received, archived, dead, expired, bytes, pending_change)
     SELECT at, $1, 0, received, received - 1, 1, 0, received * 81920, 0
     FROM generate_series(date_trunc('minute', now()) - $2 * interval '1 hour', now() - interval '10 min',
       interval '10 min') AS at,
       LATERAL (SELECT (12 + 8 * sin(extract(epoch FROM at) / 13750) + extract(minute FROM at) / 12)::integer AS received)
     ON CONFLICT DO NOTHING`,
    [account, hours],
  );
}

async function callbacks(s: TestServer): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  for (const id of [1, 2, 3])
    await s.callback(
      `<xml><ToUserName>shop</ToUserName><FromUserName>o_writer</FromUserName><CreateTime>${now}</CreateTime><MsgType>text</MsgType><Content>你好</Content><MsgId>${id}</MsgId></xml>`,
    );
  await s.callback('<xml/>', { token: 'a wrong token' });
}

async function audit(s: TestServer, at: Date, target: string): Promise<void> {
  const entry = {
    at,
    actor: 'night-shift',
    action: 'hold',
    target,
    accounts: [target],
    reason: 'maintenance',
  };
  await s.context.database.transaction((transaction) =>
    writeAuditEntries(transaction, 'wma', [entry as Parameters<typeof writeAuditEntries>[2][number]]),
  );
}

export async function openSeed(): Promise<Seed> {
  const ends: (() => unknown)[] = [];
  const receiver = await openReceiver({ after: (end) => ends.push(end as () => unknown) }, [{ status: 200 }]);
  const s = await openTestServer({ environment: { ALERT_URL: `${receiver.url}/hook` } });
  const today = dayOf(new Date());
  const tuesday = lastWeekday(TUESDAY, today);
  const week = lastWeek(today);
  const [customer, leaving] = ['oCustomerLi-5fKq2', 'oLeaving-Wang-8aZ'];

  const photo = await archiveAt(
    s,
    timeOn(tuesday, '15:20'),
    { openId: customer, msgId: '70010001' },
    fileOf('image', 3),
  );
  for (const days of [-1, 1, 2])
    await archiveAt(
      s,
      timeOn(plusDays(tuesday, days)),
      { openId: customer },
      fileOf('image', 4 + (days + 8) * 8),
    );

  const voices = {
    AMR: await archiveAt(s, new Date(), { kind: 'voice', text: '请问今天几点发货' }, fileOf('voice', 0x21)),
    'AMR-WB': await archiveAt(
      s,
      new Date(),
      { kind: 'voice', text: '杯子收到了，很好看' },
      fileOf('voice16k', 0x22),
    ),
    SILK: await archiveAt(
      s,
      new Date(),
      { kind: 'voice', text: '我想换一个颜色' },
      { body: await silkOf(24_000, 3), contentType: 'audio/silk', extension: 'silk' },
    ),
  };

  for (const seed of [40, 48]) await archiveAt(s, new Date(), { openId: leaving }, fileOf('image', seed));
  await deadAt(s, new Date(), 1, 46001, { openId: leaving });

  const erased = await s.createArchived(reference({ openId: 'o-erased' }), fileOf('image', 56));
  await s.json(`/v1/media/${erased}?reason=asked+for+by+phone`, { method: 'DELETE', key: 'admin' });

  // Last week's, and others that must not be among them.
  await deadAt(s, timeOn(week.monday, '00:30'), 3, 40007);
  await deadAt(s, timeOn(week.sunday, '23:30'), 2, 40007);
  await deadAt(s, timeOn(plusDays(week.monday, -2)), 4, 40007);
  await deadAt(s, new Date(), 2, 40007);
  await deadAt(s, timeOn(week.monday), 3, 46001);
  await deadAt(s, timeOn(week.monday), 6, 40007, { account: SAFE.account });
  const msgId = '70010042';
  const tried = { id: await triedThrice(s, timeOn(plusDays(week.monday, -9)), msgId), msgId };

  const urgent = await pendingFor(s, 3 * HOUR_MS, 3);
  await pendingFor(s, 30 * HOUR_MS, 5);

  const damaged = await archiveAt(s, timeOn(plusDays(today, -25)), {}, fileOf('image', 64));
  const { objectKey } = (await s.context.catalogue.media.get(damaged)) ?? {};
  assert.ok(objectKey);
  await s.context.store.delete(objectKey, AbortSignal.timeout(10_000));

  await holdFor(s, SAFE.account, 'ip_not_allowed', 40164);
  await fillHistory(s, PLAIN.account, 24);
  await callbacks(s);
  await audit(s, timeOn(plusDays(today, -4)), SAFE.account);

  startHeartbeat(s.context, { isWorker: true });
  await s.context.catalogue.processes.heartbeat('dead', {
    ...HEARTBEAT,
    name: 'worker-2 (worker, 811)',
    isWorker: true,
    clockAheadMs: 0,
    conditions: [],
  });
  await s.context.database.query(
    "UPDATE wma.process SET heartbeat_at = heartbeat_at - interval '3 min' WHERE id = 'dead'",
  );
  // Redrives, erasures and verifications run there.
  startSweeper(s.context);
  return {
    s,
    receiver,
    today,
    tuesday,
    lastWeek: week,
    customer,
    photo,
    leaving,
    voices,
    erased,
    tried,
    urgent,
    damaged,
    close: async () => {
      await s.close();
      for (const end of ends) await end();
    },
  };
}

export { KEYS, PLAIN, SAFE };
