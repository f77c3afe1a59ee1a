/** A route of the dashboard. */
import type { Scope } from '../../../config/api-keys.ts';
import type { PageHandler } from './page.ts';

export interface PageRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** The scope that the page requires. Default: read. */
  readonly scope?: Scope;
  readonly handler: PageHandler;
}
