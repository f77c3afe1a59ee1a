/**
 * The JSON of the findings of the list of checks, for the API and the doctor: in the client's language, and only for
 * its accounts.
 */
import type { Accounts } from '../../account.ts';
import type { Audience } from '../../pipeline/checks/check.ts';
import { type Findings, findingsFor, withAccountName } from '../../pipeline/checks/findings.ts';
import { checkOf } from '../../pipeline/checks/table.ts';
import type { Language } from '../problem.ts';

export interface Viewer {
  readonly language: Language;
  /** Undefined: all accounts. */
  readonly accounts: readonly string[] | undefined;
}

/** The name of a process contains its host, which must not be sent to a key that is bound to accounts. */
const ANONYMOUS_PROCESS = { en: 'a process', zh: '某个进程' } as const;

export function findingsJson(
  audience: Audience,
  findings: Pick<Findings, 'found'>,
  { language, accounts }: Viewer,
  known: Pick<Accounts, 'find'>,
) {
  return findingsFor(audience, findings)
    .filter(({ code, target }) => checkOf(code).target !== 'account' || (accounts?.includes(target) ?? true))
    .map((finding) => {
      const check = checkOf(finding.code);
      const named =
        check.target === 'process' && accounts
          ? { ...finding, target: ANONYMOUS_PROCESS[language] }
          : withAccountName(finding, check, known);
      const { code, since, count, target } = finding;
      return {
        code,
        severity: check.severity,
        part: check.component,
        ...(check.target === 'account' ? { account: target } : {}),
        since,
        count,
        message: check.begun(named)[language],
        advice: check.advice(named)[language],
      };
    });
}
