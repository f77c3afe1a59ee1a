/** What `add` resolves with. */
import type { Media, Problem, SpooledMedia, Status } from './api-types.ts';

/** The row; while the catalogue is unavailable, what is known without it. */
export type AcceptedMedia = Media | SpooledMedia;

interface AcceptedReference {
  readonly index: number;
  readonly id: string;
  readonly status: Status;
  /** The catalogue is unavailable: the reference is on the disk of the server, and its row follows. */
  readonly spooled?: true;
  readonly problem?: never;
}

interface RefusedReference {
  readonly index: number;
  readonly problem: Problem;
  readonly id?: never;
  readonly status?: never;
}

/** What became of one reference of many. */
export type AddResult = AcceptedReference | RefusedReference;
