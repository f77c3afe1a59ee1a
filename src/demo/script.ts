/** The scripted day: what the simulated users send, and what must have become of it by the evening. */
import type { MessageKind, MessageSpec } from '../simulator/callbacks/messages.ts';

export type Fate = 'archived' | 'dead' | 'expired';

export interface ScriptItem {
  readonly message: MessageSpec;
  readonly expectedStatus: Fate;
  readonly description: string;
  /** What else must be true of the row. */
  readonly check?: (row: RowView) => string | undefined;
  /** Must have been uploaded in parts. */
  readonly multipart?: true;
  /** Sent again after it was answered. */
  readonly twice?: true;
  /** Every access token dies just before it is sent. */
  readonly invalidateTokens?: true;
}

/** What the demo reads of a row. */
export interface RowView {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly kind: string;
  readonly sizeBytes?: number;
  readonly sha256?: string;
  readonly source?: string;
  readonly bucket?: string;
  readonly objectKey?: string;
  readonly failure?: { readonly code: string; readonly errcode?: number };
  readonly createdAt: string;
}

const PICTURES = 40;
const VOICES = 10;
const VIDEOS = 6;
const LARGE_BYTES = 30 * 1024 * 1024;
/** How long before its end of life the expiring media is sent. */
const LAST_MOMENTS_MS = 15_000;

const must = (holds: boolean, what: string): string | undefined => (holds ? undefined : what);

/** The day of one account; the same `startedAt` and `seed` give the same media ids. */
export function writeScript(day: {
  account: string;
  startedAt: Date;
  seed: number;
  lifetimeMs: number;
}): ScriptItem[] {
  const { account, startedAt, seed } = day;
  let serial = 0;
  const wish = (kind: MessageKind, more: Partial<MessageSpec> = {}): MessageSpec => ({
    account,
    kind,
    seed: (seed + serial++) >>> 0,
    sentAt: startedAt,
    withThumb: false,
    ...more,
  });
  const good = (kind: MessageKind, says: string, more: Partial<MessageSpec> = {}): ScriptItem => ({
    message: wish(kind, more),
    expectedStatus: 'archived',
    description: says,
  });

  const pictures = Array.from({ length: PICTURES }, () => good('image', 'picture'));
  const voices = Array.from({ length: VOICES }, () => good('voice', 'voice'));
  const videos = Array.from({ length: VIDEOS - 3 }, () => good('video', 'video'));
  const linked = [1, 2].map(
    (): ScriptItem => ({
      ...good('video', 'video behind video_url', { fault: { name: 'videoUrl' } }),
      check: (row) => must(row.source === 'video_url', `came by ${row.source}, not by video_url`),
    }),
  );
  const large: ScriptItem = {
    ...good('video', 'video of 30 MB, uploaded in parts', { sizeBytes: LARGE_BYTES }),
    multipart: true,
    check: (row) => must((row.sizeBytes ?? 0) >= LARGE_BYTES, 'is smaller than 30 MB'),
  };
  // Two of the pictures meet trouble, one is delivered twice.
  pictures[7] = { ...good('image', 'picture, callback delivered twice'), twice: true };
  pictures[13] = {
    ...good('image', 'picture, body cut short once', { fault: { name: 'shortBody', times: 1 } }),
    check: (row) => must(row.attempts >= 2, 'was not tried again after the short body'),
  };
  pictures[20] = { ...good('image', 'picture, after tokens were killed'), invalidateTokens: true };

  const invalid: ScriptItem = {
    message: wish('image', { fault: { name: 'invalid' }, withPicUrl: false }),
    expectedStatus: 'dead',
    description: 'picture, invalid media id',
    check: (row) => must(row.failure?.errcode === 40007, `errcode is ${row.failure?.errcode}, not 40007`),
  };
  const expiring: ScriptItem = {
    message: wish('image', {
      sentAt: new Date(startedAt.getTime() - day.lifetimeMs + LAST_MOMENTS_MS),
      fault: { name: 'systemBusy' },
      withPicUrl: false,
    }),
    expectedStatus: 'expired',
    description: 'picture, WeChat busy till it expires',
  };
  return [
    expiring,
    ...pictures.slice(0, 10),
    invalid,
    ...pictures.slice(10, 20),
    large,
    ...voices,
    ...pictures.slice(20, 30),
    ...linked,
    ...videos,
    ...pictures.slice(30),
  ];
}
