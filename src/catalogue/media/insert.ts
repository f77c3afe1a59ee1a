/** Inserts references: the statement behind "accepted is durable". */

import { FAILURES, type Failure } from '../../failures.ts';
import { idOf, type Reference, type Status } from '../../media.ts';
import type { Lifetimes } from '../../runtime/clock.ts';
import { storableJson } from '../../storable.ts';
import type { Queryable } from '../database/database.ts';
import { PRODUCER_CLOCK_TOLERANCE_MS } from '../processes/timestamp-rules.ts';

export interface Accepted {
  readonly id: string;
  readonly account: string;
  readonly status: Status;
  /** False: the row existed already. */
  readonly created: boolean;
}

/** The channel that notifies dispatchers in other processes of new rows. */
export const dueChannelOf = (schema: string): string => `${schema}_due`;

const NOT_DOWNLOADABLE: Failure = { code: 'not_downloadable', class: FAILURES.not_downloadable.class };

/** For files official accounts get no media id; the message id stands for it. Files of WeCom have a media id. */
const isDownloadable = ({ kind, mediaId }: Reference) => kind !== 'file' || !mediaId.startsWith('msg:');

/** Merges two references to one item: the earliest time, empty fields filled. */
function merge(first: Reference, second: Reference): Reference {
  const sentAt = first.sentAt <= second.sentAt ? first.sentAt : second.sentAt;
  return { ...second, ...first, sentAt };
}

/**
 * A message dated tomorrow would be attempted for a day longer than WeChat keeps its file. A time that is ahead by a few
 * minutes comes from a machine whose clock is ahead; a time further ahead is replaced by now.
 */
const notInTheFuture = (reference: Reference, now: Date): Reference =>
  reference.sentAt.getTime() > now.getTime() + PRODUCER_CLOCK_TOLERANCE_MS
    ? { ...reference, sentAt: now }
    : reference;

export function createMediaInserts(database: Queryable, schema: string, lifetimes: Lifetimes) {
  // The merge is a function of the schema, because producers in other languages use it too.
  const statement = `SELECT * FROM ${schema}.accept($1::json, $2, $3)`;

  return {
    /**
     * Inserts references, or merges them into existing rows: sentAt the earliest, empty fields filled. One statement, so
     * all or none are on disk when it resolves. Files without a media id are inserted as dead (`not_downloadable`). The
     * results have the order of the references. `notify`: dispatchers in other processes are woken.
     */
    insert: async (references: readonly Reference[], now: Date, notify: boolean): Promise<Accepted[]> => {
      const merged = new Map<string, Reference>();
      const ids = references.map((original) => {
        const reference = notInTheFuture(original, now);
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
        text: reference.text,
        labels: reference.labels,
        traceparent: reference.traceparent,
        sent_at: reference.sentAt,
        expires_at: new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs),
        closes_at: new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs + lifetimes.closingMs),
        failure: isDownloadable(reference) ? undefined : NOT_DOWNLOADABLE,
      }));
      const rows = await database.query<{
        id: string;
        account: string;
        status: Status | null;
        created: boolean;
      }>(statement, [storableJson(given), now, notify ? dueChannelOf(schema) : '']);
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
