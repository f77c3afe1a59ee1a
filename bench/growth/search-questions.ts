/** What an operator asks the list of media items: each filter alone, for all accounts and for a key bound to one. */
import type pg from 'pg';
import type { MediaFilter } from '../../src/catalogue/media/filter.ts';
import { ID_PATTERN } from '../../src/media.ts';
import {
  BIG_ACCOUNT,
  COMMON_PHRASE,
  COMMON_WORD,
  RARE_WORD,
  SCHEMA,
  SEASONAL_WORD,
  TINY_ACCOUNT,
} from './search-rows.ts';

const DAY_MS = 86_400_000;

export async function questionsOf(pool: pg.Pool): Promise<Record<string, MediaFilter>> {
  const { rows } = await pool.query(
    `SELECT * FROM ${SCHEMA}.media WHERE status = 'archived' AND account = $1 ORDER BY sent_at OFFSET 1000 LIMIT 1`,
    [BIG_ACCOUNT],
  );
  const one = rows[0] as { id: string; media_id: string; open_id: string; msg_id: string; sha256: string };
  if (!ID_PATTERN.test(one.id)) throw new Error('no row');
  const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
  return {
    all: {},
    'account, big': { accounts: [BIG_ACCOUNT] },
    'account, tiny': { accounts: [TINY_ACCOUNT] },
    'accounts, three': { accounts: [BIG_ACCOUNT, TINY_ACCOUNT, 'account-19'] },
    'kind image': { kinds: ['image'] },
    'kind shortvideo (0.1 %)': { kinds: ['shortvideo'] },
    'kind file (0.002 %)': { kinds: ['file'] },
    'kinds voice, file': { kinds: ['voice', 'file'] },
    'status pending': { statuses: ['pending'] },
    'status archived': { statuses: ['archived'] },
    'status dead': { statuses: ['dead'] },
    'status expired': { statuses: ['expired'] },
    'status erased': { statuses: ['erased'] },
    'statuses dead, expired': { statuses: ['dead', 'expired'] },
    'errcode, common': { errcodes: [40007] },
    'errcode, rare': { errcodes: [45009] },
    'errcode, none': { errcodes: [48001] },
    'label, 10 %': { labels: { channel: 'app' } },
    'label, 0.01 %': { labels: { shop: 's-500' } },
    'label, one': { labels: { order: 'o-4001' } },
    'label, none': { labels: { order: 'none' } },
    'sent on a day': { sentFrom: ago(100), sentTo: ago(99) },
    'sent before': { sentTo: ago(300) },
    openId: { openId: one.open_id },
    msgId: { msgIds: [one.msg_id] },
    mediaId: { mediaIds: [one.media_id] },
    sha256: { sha256: one.sha256 },
    'q: id': { q: one.id },
    'q: mediaId': { q: one.media_id },
    'q: openId': { q: one.open_id },
    'q: msgId': { q: one.msg_id },
    'q: sha256, 6 digits': { q: one.sha256.slice(0, 6) },
    'q: file name': { q: '合同50009.pdf' },
    'q: rare word': { q: RARE_WORD },
    'q: two characters, common': { q: COMMON_WORD },
    'q: phrase, common': { q: COMMON_PHRASE },
    'q: two words': { q: `${COMMON_WORD} ${RARE_WORD.slice(0, 2)}` },
    'q: common, long ago': { q: SEASONAL_WORD },
    'q: nothing': { q: '龘龘龘龘' },
    'q: common, voices of a day': { q: COMMON_WORD, sentFrom: ago(100), sentTo: ago(99) },
    'q: common, dead': { q: COMMON_WORD, statuses: ['dead'] },
  };
}

/** The same for a key that is bound to an account. */
export const boundTo = (account: string, filter: MediaFilter): MediaFilter => ({
  ...filter,
  accounts: [account],
});
