import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { auditActionsTable } from '../../docs/generate/audit-actions.ts';

test("the actions of the audit log in docs/dead-letters.md are the program's", () => {
  const page = readFileSync(new URL('../../docs/dead-letters.md', import.meta.url), 'utf8');
  const [start, end] = [
    '<!-- audit actions: written by docs/generate/main.ts -->\n',
    '\n<!-- /audit actions -->',
  ];
  assert.ok(page.includes(start + auditActionsTable() + end), 'run `node bin/run.js docs/generate/main.ts`');
});
