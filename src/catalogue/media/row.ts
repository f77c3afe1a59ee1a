/** The row of a media item, as SQL gives it and as the program uses it. */
import type { Failure } from '../../failures.ts';
import type { Kind, Reference, Source, Status, WaitingReason } from '../../media.ts';
import type { Unfinished } from '../erasure/media-erasure.ts';

export interface MediaRow {
  readonly id: string;
  readonly account: string;
  readonly status: Status;
  /** Of pending rows only: why it waits, and until when where that is known. */
  readonly waiting?: { readonly reason: WaitingReason; readonly until?: Date };
  /** Erased rows have none of the following, up to `attempts`. */
  readonly mediaId?: string;
  readonly kind?: Kind;
  readonly variant?: '16k' | 'jssdk';
  readonly parentId?: string;
  readonly openId?: string;
  readonly msgId?: string;
  readonly picUrl?: string;
  /** What WeChat recognised in a voice, or the title of a forwarded item. */
  readonly text?: string;
  readonly labels?: Record<string, string>;
  /** The trace of the item, in the form of W3C Trace Context. */
  readonly traceparent?: string;
  readonly sentAt?: Date;
  readonly expiresAt?: Date;
  readonly closesAt?: Date;
  readonly attempts: number;
  readonly bucket?: string;
  readonly objectKey?: string;
  readonly sizeBytes?: number;
  readonly sha256?: string;
  readonly contentType?: string;
  readonly declaredType?: string;
  readonly fileName?: string;
  readonly source?: Source;
  readonly lengthVerified?: boolean;
  readonly failure?: Failure;
  /** How often the item was redriven, and the last time. */
  readonly redrives?: number;
  readonly lastRedrive?: LastRedrive;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly archivedAt?: Date;
  /** Of an erased row: nothing is left of the item. Until then `erasing` has the reason. */
  readonly erasedAt?: Date;
  readonly erasing?: { readonly since: Date } & Partial<Unfinished>;
}

export interface LastRedrive {
  /** RFC 3339. */
  readonly at: string;
  /** The name of a key. */
  readonly by: string;
  readonly reason?: string;
  /** The id of the redrive, if it redrove many. */
  readonly redrive?: string;
}

/** The row as SQL gives it. */
export interface MediaRecord {
  id: string;
  account: string;
  media_id: string | null;
  kind: Kind | null;
  variant: '16k' | 'jssdk' | null;
  parent_id: string | null;
  open_id: string | null;
  msg_id: string | null;
  pic_url: string | null;
  text: string | null;
  labels: Record<string, string> | null;
  traceparent: string | null;
  sent_at: Date | null;
  expires_at: Date | null;
  closes_at: Date | null;
  status: Status;
  stage: number | null;
  generation: number;
  running_since: Date | null;
  next_attempt_at: Date | null;
  waiting_reason: WaitingReason | null;
  /** Of the account; only in statements that select it. */
  held_until?: Date | null;
  /** The next probe of a held store; only in statements that select it. */
  store_held_until?: Date | null;
  attempts: number;
  bucket: string | null;
  object_key: string | null;
  size_bytes: string | null;
  sha256: string | null;
  content_type: string | null;
  declared_type: string | null;
  file_name: string | null;
  source: Source | null;
  length_verified: boolean | null;
  failure: Failure | null;
  redrives: number | null;
  last_redrive: LastRedrive | null;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
  erased_at: Date | null;
  erasing_since: Date | null;
  erase_unfinished: Unfinished | null;
}

/** Removes members that are null or undefined: an absent field is absent, in JSON too. */
function withoutAbsent<T extends object>(members: { [K in keyof T]: T[K] | null | undefined }): T {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined),
  ) as T;
}

/** A hold without an end is stored as a later date than this. */
const ENDLESS = new Date('9000-01-01T00:00:00Z');

function waitingOf(record: MediaRecord): MediaRow['waiting'] | null {
  if (record.status !== 'pending') return null;
  if (record.running_since) return { reason: 'running' };
  if (record.stage === 1 && record.store_held_until) {
    return { reason: 'storeHeld', until: record.store_held_until };
  }
  if (record.stage === 1 && record.held_until) {
    const until = record.held_until < ENDLESS ? record.held_until : null;
    return withoutAbsent<NonNullable<MediaRow['waiting']>>({ reason: 'accountHeld', until });
  }
  const reason = record.waiting_reason ?? 'queued';
  return withoutAbsent<NonNullable<MediaRow['waiting']>>({ reason, until: record.next_attempt_at });
}

/**
 * The columns `held_until` and `store_held_until` of media `m`: a row that was never claimed does not hold the reason
 * that its account, or the store, is held.
 */
export const holdsOf = (schema: string): string => `
  (SELECT a.held_until FROM ${schema}.account a WHERE a.account = m.account) AS held_until,
  (SELECT until FROM ${schema}.store_hold WHERE since IS NOT NULL) AS store_held_until`;

/** The columns of a reference. A claim selects only these of about forty columns. */
export const REFERENCE_COLUMNS = [
  'account',
  'media_id',
  'kind',
  'variant',
  'parent_id',
  'open_id',
  'msg_id',
  'pic_url',
  'text',
  'labels',
  'traceparent',
  'sent_at',
] as const;
export type ReferenceRecord = Pick<MediaRecord, (typeof REFERENCE_COLUMNS)[number]>;

/** The fields of a reference except the account. */
const referenceFieldsOf = (record: ReferenceRecord) => ({
  mediaId: record.media_id,
  kind: record.kind,
  variant: record.variant,
  parentId: record.parent_id,
  openId: record.open_id,
  msgId: record.msg_id,
  picUrl: record.pic_url,
  text: record.text,
  labels: record.labels,
  traceparent: record.traceparent,
  sentAt: record.sent_at,
});

export function toMediaRow(record: MediaRecord): MediaRow {
  return withoutAbsent<MediaRow>({
    id: record.id,
    account: record.account,
    status: record.status,
    waiting: waitingOf(record),
    ...referenceFieldsOf(record),
    expiresAt: record.expires_at,
    closesAt: record.closes_at,
    attempts: record.attempts,
    bucket: record.bucket,
    objectKey: record.object_key,
    sizeBytes: record.size_bytes === null ? null : Number(record.size_bytes),
    sha256: record.sha256,
    contentType: record.content_type,
    declaredType: record.declared_type,
    fileName: record.file_name,
    source: record.source,
    lengthVerified: record.length_verified,
    failure: record.failure,
    redrives: record.redrives,
    lastRedrive: record.last_redrive,
    createdAt: record.created_at,
    updatedAt: record.updated_at,
    archivedAt: record.archived_at,
    erasedAt: record.erased_at,
    erasing: record.erasing_since && { since: record.erasing_since, ...record.erase_unfinished },
  });
}

/** The reference that the row was made from; undefined for erased rows. */
export function toReference(record: ReferenceRecord): Reference | undefined {
  const { mediaId, kind, sentAt, ...optional } = referenceFieldsOf(record);
  if (!mediaId || !kind || !sentAt) return undefined;
  return withoutAbsent<Reference>({ account: record.account, mediaId, kind, sentAt, ...optional });
}
