/** The scripted day: what the simulated users send, and what must become of it. */
import type { MessageKind, MessageSpec } from '../simulator/callbacks/messages.ts';

export type FinalStatus = 'archived' | 'dead' | 'expired';

export interface ScriptItem {
  readonly message: MessageSpec;
  readonly expectedStatus: FinalStatus;
  readonly description: string;
  /** Checks more of the row; returns what is wrong. */
  readonly check?: (row: RowView) => string | undefined;
  /** It must be uploaded in parts. */
  readonly multipart?: true;
  /** It is sent again after its response. */
  readonly twice?: true;
  /** Every access token is invalidated before it is sent. */
  readonly invalidateTokens?: true;
}

/** The part of a row that the demo reads. */
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
/** How long before its end the expiring item is sent. */
const TIME_LEFT_MS = 15_000;

const problemUnless = (holds: boolean, what: string): string | undefined => (holds ? undefined : what);

/** Returns the day of one account; the same `startedAt` and `seed` give the same media ids. */
export function writeScript(day: {
  account: string;
  startedAt: Date;
  seed: number;
  lifetimeMs: number;
}): ScriptItem[] {
  const { account, startedAt, seed } = day;
  let serial = 0;
  const message = (kind: MessageKind, options: Partial<MessageSpec> = {}): MessageSpec => ({
    account,
    kind,
    seed: (seed + serial++) >>> 0,
    sentAt: startedAt,
    withThumb: false,
    ...options,
  });
  const good = (kind: MessageKind, description: string, options: Partial<MessageSpec> = {}): ScriptItem => ({
    message: message(kind, options),
    expectedStatus: 'archived',
    description,
  });

  const pictures = Array.from({ length: PICTURES }, () => good('image', 'picture'));
  const voices = Array.from({ length: VOICES }, () => good('voice', 'voice'));
  const videos = Array.from({ length: VIDEOS - 3 }, () => good('video', 'video'));
  const linked = [1, 2].map(
    (): ScriptItem => ({
      ...good('video', 'video behind video_url', { fault: { name: 'videoUrl' } }),
      check: (row) => problemUnless(row.source === 'video_url', `came by ${row.source}, not by video_url`),
    }),
  );
  const large: ScriptItem = {
    ...good('video', 'video of 30 MB, uploaded in parts', { sizeBytes: LARGE_BYTES }),
    multipart: true,
    check: (row) => problemUnless((row.sizeBytes ?? 0) >= LARGE_BYTES, 'is smaller than 30 MB'),
  };
  // One picture has a faulty body, one meets an invalidated token, and one callback is delivered twice.
  pictures[7] = { ...good('image', 'picture, callback delivered twice'), twice: true };
  pictures[13] = {
    ...good('image', 'picture, body cut short once', { fault: { name: 'shortBody', times: 1 } }),
    check: (row) => problemUnless(row.attempts >= 2, 'was not attempted again after the short body'),
  };
  pictures[20] = { ...good('image', 'picture, after tokens were invalidated'), invalidateTokens: true };

  const invalid: ScriptItem = {
    message: message('image', { fault: { name: 'invalid' }, withPicUrl: false }),
    expectedStatus: 'dead',
    description: 'picture, invalid media id',
    check: (row) =>
      problemUnless(row.failure?.errcode === 40007, `errcode is ${row.failure?.errcode}, not 40007`),
  };
  const expiring: ScriptItem = {
    message: message('image', {
      sentAt: new Date(startedAt.getTime() - day.lifetimeMs + TIME_LEFT_MS),
      fault: { name: 'systemBusy' },
      withPicUrl: false,
    }),
    expectedStatus: 'expired',
    description: 'picture, WeChat busy until it expires',
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
