/** A delivery: one sending of one event to one endpoint. It has no body. */
import type { Event, EventType } from '../../event.ts';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** The event of a delivery. */
export type DeliveredEvent = Omit<Event, 'sequencedAt'>;

export interface Delivery {
  readonly id: number;
  readonly endpoint: string;
  readonly event: DeliveredEvent;
  readonly state: DeliveryState;
  /** Attempts that ended, since it was made or sent again. */
  readonly attempts: number;
  /** The next attempt; while one runs, the end of its lease. */
  readonly dueAt?: Date;
  /** Whether an attempt runs. */
  readonly isRunning: boolean;
  readonly attemptedAt?: Date;
  readonly durationMs?: number;
  /** Of the last response. */
  readonly status?: number;
  /** Why the last attempt failed. */
  readonly reason?: string;
  readonly createdAt: Date;
  readonly endedAt?: Date;
}

export interface DeliveryRecord {
  id: string;
  endpoint: string;
  position: string;
  event: string;
  type: EventType;
  at: Date;
  account: string | null;
  media: string | null;
  state: DeliveryState;
  attempts: number;
  due_at: Date | null;
  leased_until: Date | null;
  attempted_at: Date | null;
  duration_ms: number | null;
  status: number | null;
  reason: string | null;
  created_at: Date;
  ended_at: Date | null;
}

export function toDelivery(row: DeliveryRecord, now: Date): Delivery {
  return {
    id: Number(row.id),
    endpoint: row.endpoint,
    event: {
      position: Number(row.position),
      id: `evt_${row.event.replaceAll('-', '')}`,
      type: row.type,
      at: row.at,
      ...(row.account === null ? {} : { account: row.account }),
      ...(row.media === null ? {} : { media: row.media }),
    },
    state: row.state,
    attempts: row.attempts,
    ...(row.due_at === null ? {} : { dueAt: row.due_at }),
    isRunning: row.leased_until !== null && row.leased_until > now,
    ...(row.attempted_at === null ? {} : { attemptedAt: row.attempted_at }),
    ...(row.duration_ms === null ? {} : { durationMs: row.duration_ms }),
    ...(row.status === null ? {} : { status: row.status }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    createdAt: row.created_at,
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  };
}
