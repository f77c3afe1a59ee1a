/** What a response fault must lead to: one case, one test. */
import type { MediaRow } from '../../src/catalogue/media/row.ts';
import type { ResponseFaultName, SimulatedKind } from '../../src/simulator/media/media-id.ts';

export interface FaultCase {
  readonly fault: ResponseFaultName;
  /** Distinguishes the cases of one fault; part of the test's name. */
  readonly note: string;
  /** How many attempts see the fault; 0: all. */
  readonly times?: number;
  readonly amount?: number;
  /** Default: a voice, the smallest file. */
  readonly kind?: SimulatedKind;
  readonly sizeBytes?: number;
  /** The item expires within seconds, because the fault never ends. */
  readonly late?: true;
  /** In an account of its own, because the fault holds the account. */
  readonly alone?: true;
  /** In an account of WeCom. */
  readonly wecom?: true;
  /** The status of the row in the end. */
  readonly becomes: 'archived' | 'dead' | 'expired';
  /** Attempts in the end. Default: 1 where none fails, else 2; at least 2 for an expired item. */
  readonly attempts?: number | readonly [min: number, max: number];
  /** The failure code of every failed attempt before the item expired. */
  readonly code?: RegExp;
  /** The errcode of the row's failure. */
  readonly errcode?: number;
  /** Further values of the row. */
  readonly row?: Partial<MediaRow>;
}

export const MIB = 1024 * 1024;
/** The operating system decides which end of a broken connection is noticed first. */
export const BROKEN = /^(network|body_too_short)$/;
export const NOT_MEDIA = /^body_not_media$/;
export const INVALID_MEDIA_ID = /^invalid_media_id$/;

type Options = Omit<FaultCase, 'fault' | 'note' | 'becomes'>;

/** Archived by the first attempt. */
export const good = (
  fault: ResponseFaultName,
  note: string,
  row: Partial<MediaRow> = {},
  options: Options = {},
): FaultCase => ({
  fault,
  note,
  becomes: 'archived',
  row: { source: 'media_get', lengthVerified: true, ...row },
  ...options,
});

/** The first attempt fails, the second archives the item. */
export const once = (
  fault: ResponseFaultName,
  code: RegExp,
  note: string,
  options: Options = {},
): FaultCase => ({ fault, note, times: 1, becomes: 'archived', code, ...options });

/** Every attempt fails: the item expires and has no object. */
export const always = (
  fault: ResponseFaultName,
  code: RegExp,
  note: string,
  options: Options = {},
): FaultCase => ({ fault, note, late: true, becomes: 'expired', code, ...options });

/** The errcode makes the item dead after one attempt. */
export const dead = (
  fault: ResponseFaultName,
  errcode: number,
  code: RegExp,
  note: string,
  options: Options = {},
): FaultCase => ({
  fault,
  note,
  becomes: 'dead',
  attempts: 1,
  amount: errcode,
  errcode,
  code,
  ...options,
});

/** Archived from the link in a video_url. */
export const videoLink = (fault: ResponseFaultName, note: string, options: Options): FaultCase =>
  good(fault, note, { source: 'video_url', contentType: 'video/mp4' }, { kind: 'video', ...options });

export const caseName = ({ fault, note }: FaultCase): string => `${fault}: ${note}`;
