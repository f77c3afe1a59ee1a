/** The rows of the screenshots: a morning of two accounts, with files of the simulated WeChat and invented customers. */
import { writeAuditEntries } from '../../../src/catalogue/audit-log/audit-log.ts';
import type { Reference } from '../../../src/media.ts';
import { dayOf, lastWeek, timeOn } from '../../../test/server/dashboard/tasks/days.ts';
import {
  archiveAt,
  deadAt,
  fileOf,
  fillHistory,
  holdFor,
  pendingFor,
} from '../../../test/server/dashboard/tasks/seed.ts';
import { PLAIN, SAFE, type TestServer } from '../../../test/server/setup.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** The operator's key. */
export const OPERATOR = 'operations';
const CUSTOMERS = ['oWang3fJq7', 'oLi_8sKd2x', 'oZhang-5Tn', 'oChen_x9Lm', 'oLiu-Q2vb7'] as const;
const VOICES = [
  '你好，请问我的快递到哪里了？',
  '我想退货，衣服的尺码太小了。',
  '今天下午三点可以送货上门吗？',
  '早上好，昨天说的那个优惠还有吗？',
] as const;

export const ACCOUNTS = [
  { ...PLAIN, name: 'flower-shop' },
  { ...SAFE, name: 'couriers', product: 'miniprogram' },
] as const;

/** What the pages show. */
export interface Shown {
  readonly photo: string;
  /** Who wants everything erased. */
  readonly leaving: string;
  /** Monday and Sunday of last week. */
  readonly week: { readonly monday: string; readonly sunday: string };
}

const ago = (minutes: number) => new Date(Date.now() - minutes * MINUTE_MS);

async function archive(s: TestServer): Promise<string> {
  const add = (minutes: number, fields: Partial<Reference>, ...file: Parameters<typeof fileOf>) =>
    archiveAt(s, ago(minutes), fields, fileOf(...file));
  for (let index = 0; index < 22; index++) {
    const openId = CUSTOMERS[index % CUSTOMERS.length]!;
    await add(40 + index * 13, { openId, msgId: `2460013${index}` }, 'image', index * 9 + 1);
  }
  for (const [index, text] of VOICES.entries())
    await add(
      25 + index * 47,
      { kind: 'voice', openId: CUSTOMERS[(index + 2) % 5], text },
      'voice',
      100 + index,
    );
  for (const [index, minutes] of [33, 95].entries()) {
    const video = await add(minutes, { kind: 'video', openId: CUSTOMERS[index] }, 'video', 200 + index);
    const parentId = video;
    await add(minutes, { kind: 'thumb', openId: CUSTOMERS[index], parentId }, 'thumb', 200 + index);
  }
  const photo = { openId: CUSTOMERS[1], msgId: '24600199', labels: { order: '1042' } };
  return add(12, photo, 'image', 12);
}

/** One heartbeat of each process. */
export async function heartbeats(s: TestServer): Promise<void> {
  const beat = (name: string, program: string, isWorker: boolean, inHand: number) =>
    s.context.catalogue.processes.heartbeat(name, {
      name,
      program,
      version: '1.0.0',
      uptimeMs: 30 * HOUR_MS,
      isWorker,
      inHand,
      clockAheadMs: 12,
      conditions: [],
    });
  await beat('archive-1 (server, 612)', 'server', false, 0);
  await beat('archive-2 (worker, 634)', 'worker', true, 3);
  await beat('archive-3 (worker, 629)', 'worker', true, 2);
  await beat('archive-1 (sweep, 655)', 'sweep', false, 0);
}

/** Two alerts that ended, and those of now. */
async function alerts(s: TestServer): Promise<void> {
  const rows = [
    ['workers_none', '', 2_300, 2_280, 14],
    ['account_held', PLAIN.account, 1_500, 1_440, 1],
    ['dead_letters', '', 180, undefined, 22],
    ['account_held', SAFE.account, 2, undefined, 1],
  ] as const;
  for (const [kind, target, since, ended, count] of rows)
    await s.context.database.query(
      `INSERT INTO wma.alert (kind, target, since, seen_at, count, detail, last_sent_at, ended_at, end_sent_at)
       VALUES ($1, $2, $3, now(), $4, $5, $3, $6, $6)`,
      [
        kind,
        target,
        ago(since),
        count,
        kind === 'account_held' ? { code: 'ip_not_allowed', errcode: 40164 } : {},
        ended === undefined ? null : ago(ended),
      ],
    );
}

async function audit(s: TestServer): Promise<void> {
  const [account, now] = [SAFE.account, Date.now()];
  const entry = (minutes: number, action: string, target: string, reason: string) => ({
    at: new Date(now - minutes * MINUTE_MS),
    actor: OPERATOR,
    action,
    target,
    accounts: [account],
    reason,
  });
  await s.context.database.transaction((transaction) =>
    writeAuditEntries(transaction, 'wma', [
      entry(1_300, 'hold', account, '维护期间暂停'),
      entry(1_240, 'release', account, ''),
    ] as never),
  );
}

/** Seven days of callbacks, and the last one now. */
async function callbacks(s: TestServer): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  await s.callback(
    `<xml><ToUserName>shop</ToUserName><FromUserName>${CUSTOMERS[0]}</FromUserName><CreateTime>${now}</CreateTime><MsgType>text</MsgType><Content>你好</Content><MsgId>1</MsgId></xml>`,
  );
  await s.context.database.query(
    `INSERT INTO wma.callback_count AS c (account, day, refused, what, n)
     SELECT account, current_date - day, what = 'bad_signature', what, n + (day * 37) % 60 * (n / 100 + 1) / 9
     FROM unnest($1::text[]) AS account, generate_series(0, 6) AS day,
       (VALUES ('image', 310), ('voice', 140), ('video', 40), ('text', 620), ('bad_signature', 2)) AS kinds (what, n)
     ON CONFLICT (account, day, refused, what) DO UPDATE SET n = c.n + excluded.n`,
    [ACCOUNTS.map(({ account }) => account)],
  );
  await s.context.database.query(
    `UPDATE wma.account SET last_callback_at = now() - interval '2 min' WHERE last_callback_at IS NULL`,
  );
}

export async function fill(s: TestServer): Promise<Shown> {
  const week = lastWeek(dayOf(new Date()));
  for (const { account } of ACCOUNTS) await fillHistory(s, account, 24);
  // The backlog grows in the evening and is worked off at night.
  await s.context.database.query(
    `UPDATE wma.history_minute SET pending_change =
       round(3 * sin(2 * pi() * extract(epoch FROM at - (now() - interval '24 hours')) / 86400))`,
  );
  await deadAt(s, timeOn(week.monday), 12, 40007);
  await deadAt(s, ago(180), 3, 46001);
  await deadAt(s, ago(150), 7, 40007, { account: SAFE.account });
  const photo = await archive(s);
  await pendingFor(s, 71 * HOUR_MS, 2, { openId: CUSTOMERS[3] });
  await pendingFor(s, 60 * HOUR_MS, 7, { openId: CUSTOMERS[3] });
  await pendingFor(s, 30 * HOUR_MS, 6, { openId: CUSTOMERS[4], account: SAFE.account });
  await pendingFor(s, 20 * HOUR_MS, 4, { openId: CUSTOMERS[2], account: SAFE.account });
  await pendingFor(s, 4 * HOUR_MS, 3, { openId: CUSTOMERS[2], account: SAFE.account });
  await audit(s);
  await alerts(s);
  await holdFor(s, SAFE.account, 'ip_not_allowed', 40164);
  await callbacks(s);
  await s.context.catalogue.accounts.saveQuota(PLAIN.account, {
    dailyLimit: 200_000,
    used: 18_420,
    remain: 181_580,
    readAt: ago(9).toISOString(),
  });
  const leaving = 'oSun-8aZ2k';
  for (let index = 0; index < 2; index++)
    await archiveAt(s, ago(1_600 + index), { openId: leaving }, fileOf('image', 300 + index));
  await heartbeats(s);
  return { photo, leaving, week };
}
