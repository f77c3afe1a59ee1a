/** Writes the table of checks in docs/operations.md, from the list that the program uses. */

import { CHECK_CODES, checkOf } from '../../src/pipeline/checks/table.ts';
import type { Language } from '../../src/server/problem.ts';

const EXAMPLE = {
  target: '…',
  count: 12,
  detail: {
    code: 'ip_not_allowed',
    nearestSeconds: 9_000,
    silentSeconds: 90_000,
    id: 'v_1',
    message: 'writing in parts failed: HTTP 403',
    messageZh: '分片上传失败：HTTP 403',
    total: 900,
    aheadMs: 345_600_000,
    words: "HTTP 403 RequestTimeTooSkewed: this clock is 345600 s ahead of the store's",
    seconds: 345_600,
  },
};

/** Returns the table. With `zh` only the examples are Chinese; see zh/translate.ts for the rest. */
export function checksTable(language: Language): string {
  const rows = CHECK_CODES.map((code) => {
    const { severity, component: part, target = '', rule, except = [], begun } = checkOf(code);
    return `| \`${code}\` | ${severity} | ${part} | ${target} | ${rule} | ${except.join(', ')} | ${begun(EXAMPLE)[language]} |`;
  });
  return [
    '| code | severity | part | of | when | not reported to | for example |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
