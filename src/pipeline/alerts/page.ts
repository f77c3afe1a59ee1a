/** The alerts in docs/operations.md, written from the table that the program itself tells them by. */
import { KINDS, type Kind } from './kinds.ts';

const EXAMPLE = {
  target: '…',
  count: 12,
  detail: { code: 'ip_not_allowed', nearestSeconds: 9_000, silentSeconds: 90_000 },
};

export function alertsTable(): string {
  const rows = Object.entries<Kind>(KINDS).map(
    ([name, kind]) => `| \`${name}\` | ${kind.target ?? ''} | ${kind.rule} | ${kind.begun(EXAMPLE).en} |`,
  );
  return ['| kind | of | when | for example |', '|---|---|---|---|', ...rows].join('\n');
}
