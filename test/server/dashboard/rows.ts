/** Rows for the pages of the dashboard: dead and expired items of two accounts, a hold, quota, callbacks, hostile texts. */
import { contentOf } from '../../../src/simulator/media/contents.ts';
import { PLAIN, reference, SAFE, type TestServer } from '../setup.ts';

/** Markup, and U+202E, which reverses the order of the text that follows. */
export const HOSTILE = '"><b class=owned>x</b>\u202ecba';

/** Closes new items as dead or expired. Resolves with their ids. */
export async function createClosed(
  s: TestServer,
  count: number,
  {
    status = 'dead',
    errcode = 40007,
    account = PLAIN.account,
    openId,
  }: {
    status?: 'dead' | 'expired';
    errcode?: number;
    account?: string;
    openId?: string;
  } = {},
): Promise<string[]> {
  const references = Array.from({ length: count }, () =>
    reference({ account, ...(openId === undefined ? {} : { openId }) }),
  );
  const ids = (await s.context.accept(references)).map(({ id }) => id);
  await s.context.database.query(
    `UPDATE wma.media SET failure = $2, status = $3, stage = NULL, updated_at = now(), closed_at = now()
     WHERE id = ANY($1)`,
    [ids, { code: 'invalid_media_id', class: 'permanent_media', errcode }, status],
  );
  return ids;
}

export async function createPicture(s: TestServer, openId: string): Promise<string> {
  const { contentType, extension, chunks } = contentOf({ kind: 'image', seed: 7, sizeBytes: 0 });
  const body = Buffer.concat([...chunks()]);
  return s.createArchived(reference({ openId }), { body, contentType, extension, fileName: HOSTILE });
}

/** What the pages show in the tests of how they look. */
export async function fill(s: TestServer): Promise<void> {
  await createClosed(s, 12);
  await createClosed(s, 3, { errcode: 46001, account: SAFE.account });
  await createClosed(s, 4, { status: 'expired' });
  await s.createDead(reference({ kind: 'video', account: SAFE.account }));
  await createPicture(s, 'o-sender');
  await hold(s, SAFE.account);
  const readAt = new Date().toISOString();
  await s.context.catalogue.accounts.saveQuota(PLAIN.account, {
    dailyLimit: 1000,
    used: 870,
    remain: 130,
    readAt,
  });
  await s.callback(
    `<xml><ToUserName>a</ToUserName><FromUserName>o_x</FromUserName><CreateTime>${Math.floor(Date.now() / 1000)}</CreateTime><MsgType>text</MsgType><Content>x</Content><MsgId>1</MsgId></xml>`,
  );
  await s.callback('<xml/>', { token: 'wrong' });
}

export async function hold(s: TestServer, account: string): Promise<void> {
  const why = { code: 'held_by_hand', class: 'account', reason: HOSTILE, by: 'ops' } as const;
  await s.context.catalogue.accounts.holdByHand(account, new Date(Date.now() + 3_600_000), why, new Date());
}
