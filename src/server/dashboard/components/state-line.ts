/**
 * The state line of every page: the worst finding of the list of checks behind /readyz, doctor, metrics and alerts, with
 * a link to the page where it can be seen and mended.
 */

import type { CheckRun } from '../../../app/checks.ts';
import type { AcknowledgedStatus } from '../../../catalogue/alerts/acknowledgements.ts';
import { CHECK_CODES, type CheckCode, checkOf } from '../../../pipeline/checks/table.ts';
import type { findingsJson } from '../../views/finding.ts';
import { type Html, html, outside } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import { SHELL } from '../texts/shell.ts';

export type PageFinding = ReturnType<typeof findingsJson>[number];

/** Where a finding leads. A code without an entry of its own leads to the list of all findings. */
const PAGES: Partial<Record<CheckCode, string>> = {
  at_risk: '/media?status=pending&due=6h',
  expired: '/media?status=expired',
  lost: '/media?status=expired',
  dead_letters: '/dead-letters',
  account_held: '/accounts',
  customer_service_unread: '/accounts',
  no_callbacks: '/accounts',
  no_callback_yet: '/accounts',
  workers_missing: '/#parts',
  workers_none: '/#parts',
  consumer_closed: '/#parts',
  worker_quiet: '/#parts',
  clock_skewed: '/#parts',
  store_held: '/#holds',
  webhook_failing: '/webhooks',
  webhook_disabled: '/webhooks',
};

export const pageOfFinding = ({ code, account }: Pick<PageFinding, 'code' | 'account'>): string => {
  const page = PAGES[code] ?? '/alerts';
  return page === '/accounts' && account ? `/accounts#${encodeURIComponent(account)}` : page;
};

interface NamedAccount {
  readonly account: string;
  readonly name?: string;
}

/** Whether the account of a finding is this one: a finding names it as a person does. */
export const isAbout = ({ account, name }: NamedAccount, text: string | undefined): boolean =>
  text !== undefined && (text === account || text === name);

/**
 * Whether the time of the account's hold is over, and no probe has succeeded yet. Then the account has no hold in the
 * API, and the checks still find it held.
 */
export const isProbing = (
  checks: readonly Pick<PageFinding, 'code' | 'account'>[],
  account: NamedAccount & { readonly hold: unknown },
): boolean =>
  !account.hold &&
  checks.some((finding) => finding.code === 'account_held' && isAbout(account, finding.account));

/** The status whose acknowledgement ends a finding; undefined: no acknowledgement ends it. */
export const acknowledgedBy = (code: string): AcknowledgedStatus | undefined => ACKNOWLEDGED[code];

const ACKNOWLEDGED: Readonly<Record<string, AcknowledgedStatus>> = {
  expired: 'expired',
  lost: 'expired',
  dead_letters: 'dead',
};

/** Whether every check that a page shows could be made. Only then may a page say that all is well. */
export const isStateKnown = ({ known }: Pick<CheckRun, 'known'>): boolean =>
  CHECK_CODES.every((code) => checkOf(code).except?.includes('page') || known.includes(code));

const TONES = { error: 'bad', warning: 'bad', notice: 'busy' } as const;

/** `findings`: those for the audience `page`, worst first. */
export function stateLine(locale: Locale, findings: readonly PageFinding[], isKnown: boolean): Html {
  const t = locale.of(SHELL);
  const [worst, ...others] = findings;
  if (!worst) {
    const [tone, text] = isKnown ? ['good', t.calm] : ['busy', t.unknown];
    return html`<p class="state" id="state" data-tone="${tone}">${text}</p>`;
  }
  return html`<p class="state" id="state" data-tone="${TONES[worst.severity]}"><a href="${pageOfFinding(worst)}">${outside(worst.message)}</a>${
    others.length > 0 && html` <a class="state-more" href="/alerts">${t.more(others.length)}</a>`
  }</p>`;
}
