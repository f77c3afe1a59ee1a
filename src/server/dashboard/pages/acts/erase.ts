/** /erase: what an erasure would remove, and the question before it. */
import { empty, panel, problemBox, table } from '../../components/elements.ts';
import { formEnd, reasonField, selectField, textField } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { FILTER_FIELDS } from '../media/filters.ts';
import { MEDIA } from '../media/texts.ts';
import { erasureAddress } from './erasures.ts';
import {
  accountNames,
  type ChosenFilter,
  chosenFilterOf,
  filterBodyOf,
  filterPanel,
  filterQueryOf,
  isEmptyFilter,
} from './filter-body.ts';
import { ACTS } from './texts.ts';
import type { Erasure, Selection } from './types.ts';

/** Whether the filter is one user of one account and nothing else: a person's right, which the API has a form for. */
function isOneUser(chosen: ChosenFilter): boolean {
  const { view } = chosen;
  const set = FILTER_FIELDS.filter((field) => view[field] !== '');
  const isOnlyThese = set.every((field) => field === 'account' || field === 'openId');
  return isOnlyThese && set.length === 2 && chosen.code === '' && chosen.ids.length === 0;
}

function bodyOf(chosen: ChosenFilter, page: PageContext): Record<string, unknown> {
  const { account, openId } = chosen.view;
  return isOneUser(chosen) ? { account, openId } : { filter: filterBodyOf(chosen, page.locale) };
}

const previewOf = (chosen: ChosenFilter, page: PageContext): Promise<Selection> =>
  page.api.send<Selection>('POST', '/v1/erasures', { ...bodyOf(chosen, page), dryRun: true });

/** The form for everything of one user; it leads to the same page with this filter. */
function userForm(page: PageContext, chosen: ChosenFilter, names: ReadonlyMap<string, string>): Html {
  const t = page.locale.of(ACTS);
  return panel(
    'user',
    t.eraseUser,
    html`<form method="get" action="/erase" class="ask">
<p class="hint">${t.eraseUserHint}</p>
${selectField('account', page.locale.of(WORDS).account, [...names], { value: chosen.view.account })}
${textField('openId', page.locale.of(MEDIA).openId, { value: chosen.view.openId, attributes: { required: true, maxlength: 128 } })}
<p><button type="submit" class="primary">${t.preview}</button></p>
</form>`,
  );
}

function selectionTable(
  { groups }: Pick<Selection, 'groups'>,
  page: PageContext,
  names: ReadonlyMap<string, string>,
): Html {
  const { locale } = page;
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  return table(
    t.filter,
    [words.account, t.kind, t.status, t.count],
    groups.map(({ account, kind, status, count }) => [
      outside(names.get(account) ?? account),
      kind && words.kind[kind],
      words.status[status],
      locale.number(count),
    ]),
  );
}

interface Typed {
  readonly reason: string;
  readonly confirm: string;
}

async function render(
  page: PageContext,
  given: { preview?: Selection; typed?: Typed; error?: ApiError; isWrong?: boolean } = {},
): Promise<PageContent> {
  const { locale } = page;
  const t = locale.of(ACTS);
  const chosen = chosenFilterOf(page.query);
  const names = await accountNames(page);
  const common = { title: t.eraseTitle, section: '/media', isLive: false } as const;
  if (isEmptyFilter(chosen))
    return {
      ...common,
      main: html`<p>${t.eraseWhat}</p>${empty(t.needsFilter)}${userForm(page, chosen, names)}`,
    };
  const selection = given.preview ?? (await previewOf(chosen, page));
  const { typed, error, isWrong } = given;
  const query = filterQueryOf(chosen);
  const count = String(selection.matched);
  const ask = html`<form method="post" action="${addressOf('/erase', query)}" class="ask">
${reasonField(locale, typed?.reason)}
${textField('confirm', t.confirm(count), {
  value: isWrong ? '' : typed?.confirm,
  hint: t.confirmHint,
  mistake: isWrong ? t.notConfirmed(count) : undefined,
  attributes: { inputmode: 'numeric', required: true, maxlength: 20 },
})}
${formEnd(locale, t.startErasure, addressOf('/media', query), true)}
</form>`;
  return {
    ...common,
    ...(error ? { status: error.status } : isWrong ? { status: 422 } : {}),
    main: html`${problemBox(error?.problem)}
<p>${t.eraseWhat}</p>
${filterPanel(chosen, locale, names)}
${
  selection.matched === 0
    ? empty(t.nothingToErase)
    : panel(
        'preview',
        t.matchedErase(locale.number(selection.matched), locale.size(selection.bytes)),
        html`${selectionTable(selection, page, names)}${ask}`,
      )
}`,
  };
}

export const erasePage = (page: PageContext): Promise<PageContent> => render(page);

export async function startErasure(page: PageContext): Promise<PageContent | Redirect> {
  const { api, form } = page;
  const typed = { reason: form.get('reason') ?? '', confirm: (form.get('confirm') ?? '').trim() };
  const chosen = chosenFilterOf(page.query);
  if (isEmptyFilter(chosen)) return render(page);
  // Counted again: what the person has confirmed must still be what is erased.
  const preview = await previewOf(chosen, page);
  if (preview.matched === 0 || typed.confirm !== String(preview.matched))
    return render(page, { preview, typed, isWrong: true });
  return orExplain(
    async () => {
      const response = await api.send<Erasure | { items: readonly Erasure[] }>('POST', '/v1/erasures', {
        ...bodyOf(chosen, page),
        ...(typed.reason.trim() === '' ? {} : { reason: typed.reason }),
      });
      const [first, ...others] = 'items' in response ? response.items : [response];
      // An erasure is of one account, so a filter may begin several.
      const address = first && others.length === 0 ? erasureAddress(first.id) : '/erasures';
      return { redirect: address, notice: notice('erasureStarted') };
    },
    (error) => render(page, { preview, typed, error }),
  );
}
