import type { Reference, Status } from '../media.ts';

/** How references leave this process. */
export interface ReferenceWriter {
  /** Answers in the order given. */
  write(references: readonly Reference[]): Promise<(Status | undefined)[]>;
  /** Modules that are loaded late: their time is not the call's. */
  preload?(): Promise<unknown>;
  close(): Promise<void>;
}
