/** A catalogue as years of use leave it: accounts, kinds, failures, labels and spoken sentences spread unevenly. */
import type pg from 'pg';
import { createRandom } from '../../src/runtime/seeded-random.ts';

export const SCHEMA = 'wma';
const BATCH = 100_000;
/** The number of pending rows, independent of the size, because a backlog does not grow with age. */
const PENDING = 5_000;

/** Said in every tenth voice or more. */
export const COMMON_WORD = '你好';
/** Two common words; their pairs of characters are common too, but a planner takes them to be independent. */
export const COMMON_PHRASE = '你好请问';
/** Said in some voices of every thousand. */
export const RARE_WORD = '云霄飞车';
/** Said often, but only in the oldest third of the rows. */
export const SEASONAL_WORD = '双十一';
export const TINY_ACCOUNT = 'account-tiny';
export const BIG_ACCOUNT = 'account-0';

/** Words of two characters, the first of them far more often than the last, as in a language. */
function vocabulary(size: number): string[] {
  const random = createRandom(11);
  const character = () => String.fromCodePoint(0x4e00 + Math.floor(random() ** 2 * 3_000));
  return Array.from({ length: size }, () => character() + character());
}

/** `rows` items over a year. Identifiers and texts are of WeChat's lengths. */
export async function fillRows(pool: pg.Pool, rows: number, say: (line: string) => void): Promise<void> {
  const words = vocabulary(4_000);
  for (let start = 0; start < rows; start += BATCH) {
    await pool.query(
      `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, open_id, msg_id, text, labels, sent_at, expires_at,
         closes_at, status, stage, attempts, bucket, object_key, size_bytes, sha256, content_type, file_name, failure,
         created_at, updated_at, archived_at)
       SELECT 'm_' || md5(n::text), account, media_id, kind, 'oMgHVjngRipVsoxg6T' || lpad((n % 50000)::text, 10, '0'),
         (22800264023000000 + n)::text,
         CASE WHEN kind = 'voice' AND n % 5 > 0 THEN
           CASE WHEN dice < 0.1 THEN '${COMMON_WORD}，' ELSE '' END ||
           CASE WHEN dice < 0.05 THEN '请问' ELSE '' END ||
           CASE WHEN n % 4001 = 3 THEN '${RARE_WORD}' ELSE '' END ||
           CASE WHEN n < $3 / 3 AND dice > 0.8 THEN '${SEASONAL_WORD}' ELSE '' END ||
           CASE WHEN dice BETWEEN 0.1 AND 0.16 THEN '${COMMON_PHRASE}' ELSE '' END ||
           (SELECT string_agg(($4::text[])[1 + floor(power(random(), 3) * 4000)::integer], '')
            FROM generate_series(1, 3 + (n % 6)::integer) AS word WHERE n IS NOT NULL) || '。' END,
         CASE n % 10 WHEN 0 THEN jsonb_build_object('channel', 'app', 'shop', 's-' || n % 997)
           WHEN 1 THEN jsonb_build_object('order', 'o-' || n) END,
         at, at + interval '72 h', at + interval '74 h', status, CASE WHEN status = 'pending' THEN 1 END, 1,
         CASE WHEN status = 'archived' THEN 'bucket' END,
         CASE WHEN status = 'archived' THEN account || '/2026/01/01/m_' || md5(n::text) || '.jpg' END, 100000,
         CASE WHEN status = 'archived' THEN md5(n::text) || md5((n / 2)::text) END, 'image/jpeg',
         CASE WHEN status = 'archived' THEN CASE kind WHEN 'file' THEN '合同' || n || '.pdf' ELSE media_id || '.jpg' END END,
         CASE WHEN status IN ('dead', 'expired') THEN jsonb_build_object('code', 'media_gone', 'class', 'permanent_media',
           'errcode', CASE WHEN n % 200000 = 0 THEN 45009 ELSE 40007 + n % 3 END) END,
         at, at, CASE WHEN status = 'archived' THEN at + interval '5 s' END
       FROM (SELECT n, random() AS dice, now() - interval '1 s' * (($3 - n)::double precision / $3 * 31536000) AS at,
         CASE WHEN n % 100000 = 77 THEN '${TINY_ACCOUNT}' ELSE 'account-' || floor(20 * power(random(), 2)) END AS account,
         'W8i3gDBsy3ZHDZHA1ZtLZCuxGhlw5ArPsjxVFK2pZsSa0ZkfLjZ' || lpad(n::text, 13, '0') AS media_id,
         CASE WHEN n % 50000 = 9 THEN 'file' WHEN n % 1000 = 7 THEN 'shortvideo' WHEN n % 20 < 11 THEN 'image'
           WHEN n % 20 < 16 THEN 'voice' WHEN n % 20 < 18 THEN 'video' ELSE 'thumb' END AS kind,
         CASE WHEN n >= $3 - ${PENDING} THEN 'pending' WHEN n % 200 = 0 THEN 'dead' WHEN n % 500 = 1 THEN 'expired'
           ELSE 'archived' END AS status
         FROM generate_series($1::bigint, $2::bigint - 1) AS n) AS given`,
      [start, Math.min(rows, start + BATCH), rows, words],
    );
    if (start % 1_000_000 === 0) say(`    ${start} rows …`);
  }
  // Some are erased: they keep only id, account and times.
  await pool.query(
    `UPDATE ${SCHEMA}.media SET status = 'erased', media_id = NULL, kind = NULL, open_id = NULL, msg_id = NULL, text = NULL,
       labels = NULL, sent_at = NULL, expires_at = NULL, closes_at = NULL, bucket = NULL, object_key = NULL, sha256 = NULL,
       file_name = NULL, archived_at = NULL, erased_at = updated_at
     WHERE status = 'archived' AND id LIKE 'm_00%'`,
  );
  await pool.query(`VACUUM ANALYZE ${SCHEMA}.media`);
}
