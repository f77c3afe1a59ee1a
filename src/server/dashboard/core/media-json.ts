/** The JSON of media items and accounts, as the API returns it. */
import type { MediaJson } from '../../../pipeline/views/media.ts';
import type { Json } from './api.ts';

export type Media = Omit<Json<MediaJson>, 'failure'> & {
  readonly failure?: Failure;
};

export interface Failure {
  readonly code: string;
  readonly errcode?: number;
  readonly errmsg?: string;
  readonly rid?: string;
  readonly message: string;
  readonly advice: string;
}

export interface MediaPage {
  readonly items: readonly Media[];
  readonly nextCursor: string | null;
  readonly previousCursor?: string | null;
  /** Exact to 10,000. */
  readonly count?: number;
  readonly countIsExact?: boolean;
}

export interface AccountSummary {
  readonly account: string;
  readonly name?: string;
  readonly callbackUrl: string;
}
