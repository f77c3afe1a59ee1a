/** What a filter selects, as the server counts it in a dry run. */
import { size, table } from './output.ts';

export interface Selection {
  readonly matched: number;
  readonly bytes: number;
  readonly groups: readonly {
    readonly account: string;
    readonly kind?: string;
    readonly status: string;
    readonly count: number;
  }[];
}

export function selectionText({ matched, bytes, groups }: Selection): string {
  if (matched === 0) return 'Nothing matches.';
  return [
    table(
      ['COUNT', 'ACCOUNT', 'KIND', 'STATUS'],
      groups.map(({ count, account, kind, status }) => [count, account, kind, status]),
    ),
    `${matched.toLocaleString('en-US')} media items, ${size(bytes)}.`,
  ].join('\n');
}
