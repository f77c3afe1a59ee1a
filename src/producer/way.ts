import type { ReferenceInput, Status } from '../media.ts';

/** How references leave this process. */
export interface Way {
  /** Answers in the order given. */
  hand(references: readonly (ReferenceInput & { sentAt: string })[]): Promise<(Status | undefined)[]>;
  close(): Promise<void>;
}
