/** The JSON of an alert in the API: what began, how long it lasted, in the client's language. */
import type { Accounts } from '../../account.ts';
import type { Alert } from '../../catalogue/alerts/alerts.ts';
import { withAccountName } from '../../pipeline/checks/findings.ts';
import { CHECK_CODES, type CheckCode, checkOf, isCheckCode } from '../../pipeline/checks/table.ts';
import type { Language } from '../problem.ts';

/** The alerts that are about one account: all that a key bound to accounts may see. */
export const ACCOUNT_CODES: readonly CheckCode[] = CHECK_CODES.filter(
  (code) => checkOf(code).target === 'account',
);

/** A newer release of the program may have stored it. */
const UNKNOWN = {
  severity: 'warning',
  message: { en: 'This release does not know this alert.', zh: '当前版本不认识此告警。' },
  advice: { en: 'Update this process.', zh: '请升级此进程。' },
} as const;

export function alertJson(alert: Alert, language: Language, known: Pick<Accounts, 'find'>) {
  const { id, kind, target, since, endedAt, lastSentAt, count } = alert;
  const shown = {
    id: Number(id),
    code: kind,
    target,
    since,
    ...(endedAt ? { endedAt } : {}),
    ...(lastSentAt ? { lastSentAt } : {}),
    count,
  };
  if (!isCheckCode(kind)) {
    const { severity, message, advice } = UNKNOWN;
    return { ...shown, severity, message: message[language], advice: advice[language] };
  }
  const check = checkOf(kind);
  const named = withAccountName(alert, check, known);
  return {
    ...shown,
    severity: check.severity,
    message: check.begun(named)[language],
    advice: check.advice(named)[language],
  };
}
