/** Writing references down: the statement behind "accepted is durable". */
import type { Lifetimes } from '../clock.ts';
import { FAILURES, type Failure } from '../failures.ts';
import { idOf, type Reference, type Status } from '../media.ts';
import type { Database } from './database.ts';

export interface Accepted {
  readonly id: string;
  readonly account: string;
  readonly status: Status;
  /** False: the row was there already. */
  readonly created: boolean;
}

/** The channel that tells feeders in other processes of new rows. */
export const DUE_CHANNEL = 'wma_due';

const NOT_DOWNLOADABLE: Failure = { code: 'not_downloadable', class: FAILURES.not_downloadable.class };

/** Two references of one media, as one: the earliest time, empty fields filled. */
function merge(first: Reference, second: Reference): Reference {
  const sentAt = first.sentAt <= second.sentAt ? first.sentAt : second.sentAt;
  return { ...second, ...first, sentAt };
}

export function createAccepting(database: Database, schema: string, lifetimes: Lifetimes) {
  const statement = `
    WITH given AS (
      SELECT * FROM json_to_recordset($1::json) AS given (
        id text, account text, media_id text, kind text, variant text, parent_id text, open_id text, msg_id text,
        pic_url text, labels jsonb, sent_at timestamptz, expires_at timestamptz, closes_at timestamptz, failure jsonb)
    ), written AS (
      INSERT INTO ${schema}.media AS m (id, account, media_id, kind, variant, parent_id, open_id, msg_id, pic_url,
        labels, sent_at, expires_at, closes_at, failure, status, stage, created_at, updated_at)
      SELECT given.*, CASE WHEN failure IS NULL THEN 'pending' ELSE 'dead' END, CASE WHEN failure IS NULL THEN 1 END, $2, $2
      FROM given ORDER BY id
      ON CONFLICT (id) DO UPDATE SET
        sent_at = least(m.sent_at, excluded.sent_at),
        expires_at = least(m.expires_at, excluded.expires_at),
        closes_at = least(m.closes_at, excluded.closes_at),
        variant = coalesce(m.variant, excluded.variant),
        parent_id = coalesce(m.parent_id, excluded.parent_id),
        open_id = coalesce(m.open_id, excluded.open_id),
        msg_id = coalesce(m.msg_id, excluded.msg_id),
        pic_url = coalesce(m.pic_url, excluded.pic_url),
        labels = coalesce(m.labels, excluded.labels),
        updated_at = $2
      WHERE m.status <> 'erased' AND (
        excluded.sent_at < m.sent_at OR
        (m.variant, m.parent_id, m.open_id, m.msg_id, m.pic_url, m.labels) IS DISTINCT FROM
        (coalesce(m.variant, excluded.variant), coalesce(m.parent_id, excluded.parent_id),
         coalesce(m.open_id, excluded.open_id), coalesce(m.msg_id, excluded.msg_id),
         coalesce(m.pic_url, excluded.pic_url), coalesce(m.labels, excluded.labels)))
      RETURNING m.id, m.status, m.xmax = 0 AS created
    ), told AS (
      SELECT pg_notify($3, '') WHERE $3 <> '' AND EXISTS (SELECT FROM written WHERE created AND status = 'pending')
    )
    SELECT given.id, given.account, coalesce(written.status, m.status) AS status, coalesce(written.created, false) AS created,
           (SELECT count(*) FROM told) AS told
    FROM given LEFT JOIN written USING (id) LEFT JOIN ${schema}.media m ON m.id = given.id`;

  return {
    /**
     * Inserts references, or merges them into the rows they meet: sentAt the earliest, empty fields filled. One
     * statement, so all or none are on disk when it resolves. `file` references are dead on arrival
     * (`not_downloadable`). Answers in the order given; `notify` wakes feeders in other processes.
     */
    accept: async (references: readonly Reference[], now: Date, notify: boolean): Promise<Accepted[]> => {
      const merged = new Map<string, Reference>();
      const ids = references.map((reference) => {
        const id = idOf(reference.account, reference.mediaId);
        const other = merged.get(id);
        merged.set(id, other ? merge(other, reference) : reference);
        return id;
      });
      const given = [...merged].map(([id, reference]) => ({
        id,
        account: reference.account,
        media_id: reference.mediaId,
        kind: reference.kind,
        variant: reference.variant,
        parent_id: reference.parentId,
        open_id: reference.openId,
        msg_id: reference.msgId,
        pic_url: reference.picUrl,
        labels: reference.labels,
        sent_at: reference.sentAt,
        expires_at: new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs),
        closes_at: new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs + lifetimes.closingMs),
        failure: reference.kind === 'file' ? NOT_DOWNLOADABLE : undefined,
      }));
      const rows = await database.query<{
        id: string;
        account: string;
        status: Status | null;
        created: boolean;
      }>(statement, [JSON.stringify(given), now, notify ? DUE_CHANNEL : '']);
      const byId = new Map(
        rows.map(({ id, account, status, created }) => [
          id,
          // A row that two processes insert at the same moment is in neither snapshot: it was created, as pending.
          { id, account, status: status ?? 'pending', created } satisfies Accepted,
        ]),
      );
      const seen = new Set<string>();
      return ids.map((id) => {
        const accepted = byId.get(id)!;
        const repeated = seen.has(id);
        seen.add(id);
        return repeated ? { ...accepted, created: false } : accepted;
      });
    },
  };
}
