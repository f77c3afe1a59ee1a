/** The JSON of the API as these pages read it. */
import type { Kind, Status } from '../../../../media.ts';

export interface DeadLetterGroup {
  readonly account: string;
  readonly code: string;
  readonly errcode?: number;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly message: string;
  readonly advice: string;
}

export interface Redrive {
  readonly id: string;
  readonly state: 'running' | 'stopped' | 'done';
  readonly done: number;
  readonly skipped: number;
  readonly total: number;
  readonly filter: Readonly<Record<string, unknown>>;
  readonly rate: number;
  readonly actor: string;
  readonly reason?: string;
  readonly askedAt: string;
  readonly endedAt?: string;
}

/** What a request would concern, by account, kind and status. */
export interface Selection {
  readonly matched: number;
  readonly bytes?: number;
  readonly groups?: readonly {
    readonly account: string;
    readonly kind?: Kind;
    readonly status: Status;
    readonly count: number;
  }[];
}

export interface Erasure {
  readonly id: string;
  readonly account: string;
  readonly actor: string;
  readonly reason?: string;
  readonly state: 'running' | 'kept' | 'done' | 'failed';
  readonly total: number;
  readonly done: number;
  readonly removed?: readonly {
    readonly kind: string;
    readonly count: number;
    readonly files: number;
    readonly bytes: number;
  }[];
  readonly problem?: string;
  readonly createdAt: string;
  readonly finishedAt?: string;
  /** At most 100; absent in a list. */
  readonly unfinished?: readonly {
    readonly id: string;
    readonly since: string;
    readonly problem?: string;
    readonly left?: readonly { readonly bucket: string; readonly key: string }[];
  }[];
}
