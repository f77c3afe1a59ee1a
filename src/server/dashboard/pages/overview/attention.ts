/** What needs attention: the findings with their cures, and the holds with a button. */
import type { Stats as CatalogueStats } from '../../../../catalogue/history/stats.ts';
import { panel, time } from '../../components/elements.ts';
import { actionButton } from '../../components/forms.ts';
import { acknowledgedBy, isAbout, pageOfFinding } from '../../components/state-line.ts';
import type { Json } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { PageContext } from '../../core/page.ts';
import { isOperator } from '../operations/alerts.ts';
import type { Account, Finding, Stats as FindingsAndHold, Hold } from '../operations/types.ts';
import { OVERVIEW } from './texts.ts';

export type Stats = Json<CatalogueStats> & FindingsAndHold;

/** The checks that the holds below them tell in more detail. */
const SHOWN_AS_HOLD: ReadonlySet<string> = new Set(['account_held', 'store_held']);

export function holdsPanel(stats: Stats, accounts: readonly Account[], page: PageContext): Html | undefined {
  const { locale, may } = page;
  const t = locale.of(OVERVIEW);
  const held = accounts.filter(({ hold }) => hold);
  // A hold whose time is over lasts until a probe succeeds. The list of accounts leaves it out; the checks do not.
  const isShownAsHold = ({ code, account }: Finding) =>
    SHOWN_AS_HOLD.has(code) &&
    (code === 'store_held' ? stats.storeHold : held.some((one) => isAbout(one, account)));
  const findings = stats.checks.filter((finding) => !isShownAsHold(finding));
  if (findings.length === 0 && held.length === 0 && !stats.storeHold) return undefined;

  const row = (
    title: Html,
    about: string,
    hold: Hold | NonNullable<Stats['storeHold']>,
    action: string,
    isAllowed: boolean,
  ): Html => html`<li class="finding" data-severity="error">
<div><p><strong>${title}</strong> ${outside(hold.message)} ${'reason' in hold && hold.code === 'held_by_hand' && hold.reason !== hold.message && outside(`${hold.by ?? '–'}: ${hold.reason}`)}</p>
<p class="hint">${outside(hold.advice)}</p>
<p class="hint">${hold.since && html`${t.since} ${time(locale, hold.since)} `}${hold.until && html`· ${t.nextProbe} ${time(locale, hold.until)}`}</p></div>
${isAllowed && actionButton(action, t.release, { about })}</li>`;

  const finding = (found: Finding): Html => {
    const { code, severity, message, advice, since } = found;
    const status = acknowledgedBy(code);
    return html`<li class="finding" data-severity="${severity}"><div><p><a href="${pageOfFinding(found)}"><strong>${outside(message)}</strong></a></p>
<p class="hint">${outside(advice)}</p><p class="hint">${t.since} ${time(locale, since)}</p></div>
${status && may('admin') && actionButton('/alerts/acknowledge', t.seen, { about: message, fields: { status } })}</li>`;
  };

  return panel(
    'holds',
    t.attention,
    html`<ul class="findings">${stats.storeHold && row(html`${t.allHeld}`, t.allHeld, stats.storeHold, '/alerts/release-store', isOperator(page))}${held.map(
      ({ account, name, hold }) =>
        row(
          html`<a href="/accounts#${encodeURIComponent(account)}">${outside(name ?? account)}</a> ${t.isHeld}`,
          name ?? account,
          hold!,
          `/accounts/${encodeURIComponent(account)}/release`,
          may('admin'),
        ),
    )}${findings.map(finding)}</ul>`,
  );
}
