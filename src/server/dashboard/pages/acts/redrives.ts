/** /redrives/{id}: the progress of a redrive; and the list of the latest ones for the page of dead letters. */
import { empty, type Fact, facts, link, panel, problemBox, time } from '../../components/elements.ts';
import { actionButton } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Child, type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { MEDIA } from '../media/texts.ts';
import { accountNames } from './filter-body.ts';
import { ACTS } from './texts.ts';
import type { Redrive } from './types.ts';

export const redriveAddress = (id: string): string => `/redrives/${encodeURIComponent(id)}`;

/** The filter of a redrive in words, as one line. Its values come from the API, which has checked them. */
function describeFilter(filter: Redrive['filter'], locale: Locale, names: ReadonlyMap<string, string>): Html {
  const [t, words, media] = [locale.of(ACTS), locale.of(WORDS), locale.of(MEDIA)];
  const list = (value: unknown): string[] => [value].flat().map(String);
  const statuses: Readonly<Record<string, string>> = words.status;
  const kinds: Readonly<Record<string, string>> = words.kind;
  const day = (value: unknown) => locale.exact(String(value));
  const SHOWN: Readonly<Record<string, (value: unknown) => Child>> = {
    status: (value) =>
      list(value)
        .map((status) => statuses[status] ?? status)
        .join(', '),
    account: (value) =>
      outside(
        list(value)
          .map((account) => names.get(account) ?? account)
          .join(', '),
      ),
    kind: (value) =>
      list(value)
        .map((kind) => kinds[kind] ?? kind)
        .join(', '),
    sentFrom: (value) => html`${media.from} ${day(value)}`,
    sentTo: (value) => html`${media.to} ${day(value)}`,
    notKept: (value) => t.notKept(list(value).join(', ')),
  };
  const parts = Object.entries(filter)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => SHOWN[name]?.(value) ?? html`<code>${outside(list(value).join(', '))}</code>`);
  return html`${parts.map((part, index) => html`${index > 0 && ' · '}${part}`)}`;
}

const progressBar = (redrive: Redrive, locale: Locale): Html => {
  const t = locale.of(ACTS);
  const { done, total } = redrive;
  const text = t.redriven(locale.number(done), locale.number(total));
  return html`<progress value="${done}" max="${Math.max(total, 1)}" aria-label="${t.progress}"></progress> ${text}`;
};

const stopButton = ({ id, state }: Redrive, page: PageContext): Html | undefined =>
  state === 'running' && page.may('admin')
    ? actionButton(`${redriveAddress(id)}/stop`, page.locale.of(ACTS).stop, { about: id, class: 'danger' })
    : undefined;

const stateChip = (redrive: Redrive, locale: Locale): Html => {
  const tones = { running: 'pending', stopped: 'expired', done: 'archived' } as const;
  return html`<span class="chip" data-status="${tones[redrive.state]}">${locale.of(ACTS).redriveState[redrive.state]}</span>`;
};

/** Running and latest redrives, each with its progress and a button that stops it. */
export function redriveList(
  redrives: readonly Redrive[],
  page: PageContext,
  names: ReadonlyMap<string, string>,
): Html {
  const { locale } = page;
  const t = locale.of(ACTS);
  if (redrives.length === 0) return empty(t.none);
  return html`<ul class="rows">${redrives.map(
    (redrive) => html`<li class="row" id="${redrive.id}">
<div class="line">${stateChip(redrive, locale)} ${progressBar(redrive, locale)} ${stopButton(redrive, page)}</div>
<p>${link(redriveAddress(redrive.id), describeFilter(redrive.filter, locale, names))}</p>
<p class="facts">${time(locale, redrive.askedAt)} · ${outside(redrive.actor)}${redrive.reason !== undefined && html` · ${outside(redrive.reason)}`}</p>
</li>`,
  )}</ul>`;
}

async function render(page: PageContext, error?: ApiError): Promise<PageContent> {
  const { api, locale } = page;
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  const [redrive, names] = await Promise.all([
    api.get<Redrive>(`/v1${redriveAddress(page.params.id ?? '')}`),
    accountNames(page),
  ]);
  const stop = stopButton(redrive, page);
  const list: (Fact | undefined)[] = [
    { name: t.state, value: stateChip(redrive, locale) },
    { name: t.progress, value: progressBar(redrive, locale) },
    redrive.skipped > 0
      ? {
          name: t.skipped,
          value: html`${locale.number(redrive.skipped)} <span class="hint">${t.skippedHint}</span>`,
        }
      : undefined,
    { name: t.filter, value: describeFilter(redrive.filter, locale, names) },
    { name: t.rate, value: locale.number(redrive.rate) },
    { name: t.requested, value: time(locale, redrive.askedAt, false) },
    { name: t.by, value: outside(redrive.actor) },
    redrive.reason === undefined ? undefined : { name: words.reason, value: outside(redrive.reason) },
    redrive.endedAt === undefined
      ? undefined
      : { name: t.ended, value: time(locale, redrive.endedAt, false) },
    { name: t.inLog, value: link(addressOf('/audit-log', { target: redrive.id }), t.showEntries) },
  ];
  return {
    title: t.redrive,
    section: '/dead-letters',
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
${panel('redrive', redrive.id, html`${facts(locale, list)}${stop && html`<div class="actions">${stop} <span class="hint">${t.stopHint}</span></div>`}`, { aside: link('/dead-letters', t.redrives) })}`,
  };
}

export const redriveProgressPage = (page: PageContext): Promise<PageContent> => render(page);

export async function stopRedrive(page: PageContext): Promise<PageContent | Redirect> {
  const address = redriveAddress(page.params.id ?? '');
  return orExplain(
    async () => {
      await page.api.send('DELETE', `/v1${address}`);
      return { redirect: address, notice: notice('redriveStopped') };
    },
    (error) => render(page, error),
  );
}
