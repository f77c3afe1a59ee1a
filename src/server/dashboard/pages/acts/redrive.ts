/** /redrive: how many dead letters match a filter, by cause, before they are redriven. */
import { empty, panel, problemBox, table, time } from '../../components/elements.ts';
import { checkbox, formEnd, reasonField, textField } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import {
  accountNames,
  type ChosenFilter,
  chosenFilterOf,
  filterBodyOf,
  filterPanel,
  filterQueryOf,
  isEmptyFilter,
} from './filter-body.ts';
import { redriveAddress } from './redrives.ts';
import { ACTS } from './texts.ts';
import type { DeadLetterGroup } from './types.ts';

const DEFAULT_RATE = '20';
const CLOSED = ['dead', 'expired'] as const;

interface Preview {
  readonly matched: number;
  readonly groups: readonly DeadLetterGroup[];
}

/** The part of the body that says which items, for one status: dead ones and expired ones are counted apart. */
function selectionOf(chosen: ChosenFilter, page: PageContext, status: (typeof CLOSED)[number]) {
  const filter = { ...filterBodyOf(chosen, page.locale), status };
  return { filter, ...(status === 'expired' ? { force: true } : {}) };
}

async function previewOf(chosen: ChosenFilter, page: PageContext, status: (typeof CLOSED)[number]) {
  const wanted = chosen.view.status;
  if (wanted !== '' && wanted !== status) return { matched: 0, groups: [] };
  return page.api.send<Preview>('POST', '/v1/redrives', {
    ...selectionOf(chosen, page, status),
    dryRun: true,
  });
}

function groupTable(
  groups: readonly DeadLetterGroup[],
  page: PageContext,
  names: ReadonlyMap<string, string>,
) {
  const { locale } = page;
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  return table(
    t.cause,
    [t.count, words.account, t.cause, t.advice, t.first, t.last],
    groups.map(({ count, account, errcode, code, message, advice, firstAt, lastAt }) => [
      locale.number(count),
      outside(names.get(account) ?? account),
      html`<code>${outside(errcode ?? code)}</code> ${outside(message)}`,
      outside(advice),
      time(locale, firstAt),
      time(locale, lastAt),
    ]),
  );
}

interface Typed {
  readonly reason?: string | undefined;
  readonly rate?: string | undefined;
  readonly limit?: string | undefined;
  readonly force?: boolean | undefined;
}

function askForm(
  page: PageContext,
  chosen: ChosenFilter,
  counts: { dead: number; expired: number },
  typed: Typed,
): Html {
  const { locale } = page;
  const t = locale.of(ACTS);
  const query = filterQueryOf(chosen);
  const force =
    counts.expired > 0 &&
    checkbox('force', counts.dead > 0 ? t.matchedExpired(locale.number(counts.expired)) : t.expiredOnly, {
      isChecked: typed.force ?? false,
      isRequired: counts.dead === 0,
    });
  return html`<form method="post" action="${addressOf('/redrive', query)}" class="ask">
${force}
${reasonField(locale, typed.reason)}
${textField('rate', t.rate, { value: typed.rate ?? DEFAULT_RATE, hint: t.rateHint, attributes: { type: 'number', min: 1, max: 1000, required: true } })}
${textField('limit', t.limit, { value: typed.limit ?? '', hint: t.limitHint, attributes: { type: 'number', min: 1, max: 10_000_000 } })}
${formEnd(locale, t.startRedrive, addressOf('/media', query))}
</form>`;
}

async function render(page: PageContext, typed: Typed = {}, error?: ApiError): Promise<PageContent> {
  const { locale } = page;
  const t = locale.of(ACTS);
  const chosen = chosenFilterOf(page.query);
  const isOther = chosen.view.status !== '' && !CLOSED.some((status) => status === chosen.view.status);
  const [names, dead, expired] = await Promise.all([
    accountNames(page),
    previewOf(chosen, page, 'dead'),
    previewOf(chosen, page, 'expired'),
  ]);
  const counts = { dead: dead.matched, expired: expired.matched };
  // With a filter of its own the expired ones are what the page is about.
  const matched = dead.matched > 0 ? dead.matched : expired.matched;
  return {
    title: t.redriveTitle,
    section: '/dead-letters',
    isLive: false,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
<p>${t.redriveWhat}</p>
${filterPanel(chosen, locale, names, t.everything)}
${
  matched === 0
    ? empty(isOther ? t.onlyClosed : t.nothingToRedrive)
    : panel(
        'preview',
        dead.matched > 0
          ? t.matchedDead(locale.number(dead.matched))
          : t.total(locale.number(expired.matched)),
        html`${groupTable([...dead.groups, ...expired.groups], page, names)}${askForm(page, chosen, counts, typed)}`,
      )
}`,
  };
}

export const redrivePage = (page: PageContext): Promise<PageContent> => render(page);

const wholeNumber = (text: string | null): number | string | undefined => {
  const trimmed = text?.trim() ?? '';
  if (trimmed === '') return undefined;
  // What is no number goes to the API as it is, which says so.
  return /^\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
};

export async function startRedrive(page: PageContext): Promise<PageContent | Redirect> {
  const { api, form } = page;
  const chosen = chosenFilterOf(page.query);
  const typed = {
    reason: form.get('reason') ?? '',
    rate: form.get('rate') ?? '',
    limit: form.get('limit') ?? '',
    force: form.get('force') === 'on',
  };
  const filter = filterBodyOf(chosen, page.locale);
  return orExplain(
    async () => {
      const { id, matched } = await api.send<{ id: string; matched: number }>('POST', '/v1/redrives', {
        filter,
        rate: wholeNumber(typed.rate),
        limit: wholeNumber(typed.limit),
        ...(typed.reason.trim() === '' ? {} : { reason: typed.reason }),
        ...(typed.force ? { force: true } : {}),
        // The page has shown that it is about all of them.
        ...(isEmptyFilter(chosen) ? { all: true } : {}),
      });
      return { redirect: redriveAddress(id), notice: notice('redriveStarted', page.locale.number(matched)) };
    },
    (error) => render(page, typed, error),
  );
}
