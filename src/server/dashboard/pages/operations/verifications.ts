/** Comparisons of rows and bucket: the form that starts one, the list, and /verifications/{id}. */
import { empty, type Fact, facts, link, panel, problemBox, table, time } from '../../components/elements.ts';
import { actionButton, radioField, reasonField } from '../../components/forms.ts';
import { pageOf } from '../../components/media-view.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { SETTINGS } from './settings-texts.ts';
import type { Verification, VerificationFinding } from './types.ts';

const SHOWN = 100;
const DEFAULT_SAMPLE = '1000';
const TONES = { waiting: 'pending', running: 'pending', done: 'archived', stopped: 'expired' } as const;

export const verificationAddress = (id: string): string => `/verifications/${encodeURIComponent(id)}`;

export interface TypedVerification {
  readonly what: string;
  readonly sample: string;
  readonly reason: string;
}

const stateChip = ({ state }: Verification, locale: Locale): Html =>
  html`<span class="chip" data-status="${TONES[state]}">${locale.of(SETTINGS).states[state]}</span>`;

function progressBar({ done, total }: Verification, locale: Locale): Html {
  const t = locale.of(SETTINGS);
  if (total === undefined) return html`${t.comparedSoFar(locale.number(done))}`;
  return html`<progress value="${done}" max="${Math.max(total, 1)}" aria-label="${t.progress}"></progress> ${t.compared(locale.number(done), locale.number(total))}`;
}

const driftText = ({ drift }: Verification, locale: Locale): string =>
  drift === 0 ? locale.of(SETTINGS).noDrift : locale.number(drift);

export function verificationForm(locale: Locale, typed: TypedVerification | undefined): Html {
  const t = locale.of(SETTINGS);
  const sample = html`<div class="field"><label for="f-sample">${t.sampleSize}</label><input id="f-sample" name="sample" type="number" min="1" max="10000000" value="${typed?.sample ?? DEFAULT_SAMPLE}"></div>`;
  return html`<form method="post" action="/verifications" class="ask">
${radioField(
  'what',
  t.what,
  [
    ['sample', t.sample, sample],
    ['all', t.all],
    ['orphans', t.orphans],
  ],
  typed?.what ?? 'sample',
)}
${reasonField(locale, typed?.reason)}
<p><button type="submit" class="primary">${t.start}</button></p>
</form>`;
}

export function verificationTable(items: readonly Verification[], locale: Locale): Html {
  const t = locale.of(SETTINGS);
  if (items.length === 0) return empty(t.none);
  const rows = items.map((verification) => [
    link(verificationAddress(verification.id), time(locale, verification.createdAt)),
    t.kinds[verification.kind],
    stateChip(verification, locale),
    progressBar(verification, locale),
    driftText(verification, locale),
    outside(verification.by),
  ]);
  return table(t.verifications, [t.requested, t.what, t.state, t.progress, t.drift, t.by], rows);
}

/** Resolves with the id of the verification. Rejects with ApiError. */
export async function requestVerification(page: PageContext, typed: TypedVerification): Promise<string> {
  const { what, sample, reason } = typed;
  const kinds = {
    sample: { kind: 'verify', sample: Number(sample) },
    all: { kind: 'verify', all: true },
    orphans: { kind: 'orphans' },
  } as const;
  const { id } = await page.api.send<Verification>('POST', '/v1/verifications', {
    ...(kinds[what as keyof typeof kinds] ?? { kind: what }),
    ...(reason.trim() === '' ? {} : { reason }),
  });
  return id;
}

function findingsPanel(
  page: PageContext,
  verification: Verification,
  findings: readonly VerificationFinding[],
): Html {
  const t = page.locale.of(SETTINGS);
  const rows = findings.map(({ what, id, objectKey, detail }) => [
    html`<code>${outside(what)}</code>`,
    id && link(pageOf({ id }), id),
    objectKey && html`<code>${outside(objectKey)}</code>`,
    detail && outside(detail),
  ]);
  const last = findings.at(-1);
  const more =
    findings.length === SHOWN &&
    last &&
    html`<p class="pager">${link(addressOf(verificationAddress(verification.id), { after: last.seq }), t.more, 'button')}</p>`;
  return panel(
    'findings',
    t.findings,
    html`${rows.length === 0 ? empty(t.noFindings) : table(t.findings, [t.finding, t.item, t.object, t.detail], rows)}${more}`,
  );
}

async function render(page: PageContext, error?: ApiError): Promise<PageContent> {
  const { api, locale, query } = page;
  const [t, words] = [locale.of(SETTINGS), locale.of(WORDS)];
  const address = verificationAddress(page.params.id ?? '');
  const [verification, { items: findings }] = await Promise.all([
    api.get<Verification>(`/v1${address}`),
    api.get<{ items: readonly VerificationFinding[] }>(`/v1${address}/findings`, {
      after: query.get('after') ?? undefined,
      limit: SHOWN,
    }),
  ]);
  const isOpen = verification.state === 'waiting' || verification.state === 'running';
  const list: (Fact | undefined)[] = [
    { name: t.state, value: stateChip(verification, locale) },
    { name: t.what, value: t.kinds[verification.kind] },
    { name: t.progress, value: progressBar(verification, locale) },
    { name: t.drift, value: driftText(verification, locale) },
    { name: t.bytes, value: locale.size(verification.bytes) },
    verification.problem === undefined
      ? undefined
      : { name: t.problem, value: outside(verification.problem) },
    { name: t.requested, value: time(locale, verification.createdAt, false) },
    { name: t.by, value: outside(verification.by) },
    verification.reason === undefined
      ? undefined
      : { name: words.reason, value: outside(verification.reason) },
    verification.endedAt === undefined
      ? undefined
      : { name: t.ended, value: time(locale, verification.endedAt, false) },
  ];
  const counts = Object.entries(verification.counts).map(([what, count]) => [
    html`<code>${outside(what)}</code>`,
    locale.number(count),
  ]);
  return {
    title: t.verification,
    section: '/settings',
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
${panel(
  'verification',
  verification.id,
  html`${facts(locale, list)}${isOpen && page.may('admin') && html`<div class="actions">${actionButton(`${address}/stop`, t.stop, { class: 'danger' })}</div>`}${counts.length > 0 && html`<h3>${t.counts}</h3>${table(t.counts, [t.finding, t.count], counts)}`}`,
  { aside: link('/settings#verifications', t.verifications) },
)}
${findingsPanel(page, verification, findings)}`,
  };
}

export const verificationPage = (page: PageContext): Promise<PageContent> => render(page);

export async function stopVerification(page: PageContext): Promise<PageContent | Redirect> {
  const address = verificationAddress(page.params.id ?? '');
  return orExplain(
    async () => {
      await page.api.send('DELETE', `/v1${address}`);
      return { redirect: address };
    },
    (error) => render(page, error),
  );
}
