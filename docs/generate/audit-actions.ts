/** Writes the table of the actions of the audit log in docs/dead-letters.md, from the list that the program uses. */
import { AUDIT_ACTIONS } from '../../src/catalogue/audit-log/audit-log.ts';

export function auditActionsTable(): string {
  const rows = Object.entries(AUDIT_ACTIONS).map(([action, target]) => `| \`${action}\` | ${target} |`);
  return ['| action | target |', '|---|---|', ...rows].join('\n');
}
