import type { ReferenceInput, Status } from '../media.ts';

/** How references leave this process. */
export interface Way {
  /** Answers in the order given. */
  hand(references: readonly (ReferenceInput & { sentAt: string })[]): Promise<(Status | undefined)[]>;
  /** Modules that are loaded late: their time is not the call's. */
  load?(): Promise<unknown>;
  close(): Promise<void>;
}
