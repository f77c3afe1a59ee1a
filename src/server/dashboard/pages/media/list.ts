/** /media: search, filters, gallery and list. */
import { ID_PATTERN, KINDS, STATUSES } from '../../../../media.ts';
import { chip, empty, panel, table, time } from '../../components/elements.ts';
import { selectField, textField } from '../../components/forms.ts';
import { deadline, mediaCard, postersOf } from '../../components/media-card.ts';
import { nameOf, pageOf } from '../../components/media-view.ts';
import { addressOf } from '../../core/address.ts';
import { ApiError } from '../../core/api.ts';
import { attributes, type Html, html, outside, visible } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { AccountSummary, Media, MediaPage } from '../../core/media-json.ts';
import type { PageContent, PageContext } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { apiQueryOf, FILTER_FIELDS, isFiltered, type MediaView, parametersOf, viewOf } from './filters.ts';
import { MEDIA } from './texts.ts';

const SHOWN = 24;

const addressFor = (view: MediaView, change: Partial<MediaView>): string =>
  addressOf('/media', parametersOf({ ...view, cursor: '', ...change }));

function filterForm(view: MediaView, accounts: readonly AccountSummary[], locale: Locale): Html {
  const [t, words] = [locale.of(MEDIA), locale.of(WORDS)];
  const any = ['', words.any] as const;
  // The search box is in the header, and the form must not lose what stands there.
  return html`<details class="panel filters" id="filters"${attributes({ open: isFiltered(view) })}><summary>${t.filters}</summary>
<form method="get" action="/media" class="filter-form">
<input type="hidden" name="q" value="${view.q}">
${selectField('account', words.account, [any, ...accounts.map(({ account, name }) => [account, name ?? account] as const)], { value: view.account })}
${selectField('kind', t.kind, [any, ...KINDS.map((kind) => [kind, words.kind[kind]] as const)], { value: view.kind })}
${selectField('status', t.status, [any, ...STATUSES.map((status) => [status, words.status[status]] as const)], { value: view.status })}
${textField('errcode', t.errcode, { value: view.errcode, attributes: { inputmode: 'numeric', size: 8 } })}
${textField('label', t.label, { value: view.label, attributes: { placeholder: t.labelHint } })}
${textField('from', t.from, { value: view.from, attributes: { type: 'date' } })}
${textField('to', t.to, { value: view.to, attributes: { type: 'date' } })}
${textField('due', t.due, { value: view.due, attributes: { placeholder: '6h', size: 6 } })}
${textField('openId', t.openId, { value: view.openId })}
${textField('msgId', t.msgId, { value: view.msgId })}
<input type="hidden" name="dueFrom" value="${view.dueFrom}">
<input type="hidden" name="view" value="${view.view === 'list' ? 'list' : ''}">
<p class="field choices"><button type="submit" class="primary">${t.apply}</button> <a class="button" href="/media">${t.clear}</a></p>
</form></details>`;
}

function listTable(items: readonly Media[], locale: Locale, names: ReadonlyMap<string, string>): Html {
  const [t, words] = [locale.of(MEDIA), locale.of(WORDS)];
  const heads = [t.sent, t.status, t.kind, t.item, t.sender, words.account, t.size, t.text];
  return table(
    t.title,
    heads,
    items.map((media) => [
      time(locale, media.sentAt ?? media.createdAt),
      html`${chip(locale, media.status)}${media.status !== 'archived' && media.failure && html` <code>${outside(media.failure.errcode ?? media.failure.code)}</code>`}${deadline(media, locale)}`,
      media.kind && words.kind[media.kind],
      html`<a href="${pageOf(media)}">${outside(nameOf(media, locale))}</a>`,
      media.openId &&
        html`<a href="${addressOf('/media', { openId: media.openId })}">${outside(media.openId)}</a>`,
      outside(names.get(media.account) ?? media.account),
      media.sizeBytes === undefined ? '' : locale.size(media.sizeBytes),
      media.text && html`<span class="text">${outside(media.text)}</span>`,
    ]),
  );
}

function pager(view: MediaView, page: MediaPage, locale: Locale): Html | undefined {
  const { nextCursor, previousCursor } = page;
  if (!nextCursor && !previousCursor) return undefined;
  const words = locale.of(WORDS);
  const step = (cursor: string | null | undefined, text: string, rel: string) =>
    cursor && html`<a class="button" rel="${rel}" href="${addressFor(view, { cursor })}">${text}</a>`;
  return html`<nav class="pager" aria-label="${words.pages}">${step(previousCursor, words.newer, 'prev')} ${step(nextCursor, words.older, 'next')}</nav>`;
}

/** What an operator may do with all items of the filter. Each leads to a page that first shows how many they are. */
function actions(view: MediaView, page: PageContext): Html | undefined {
  const t = page.locale.of(MEDIA);
  if (!isFiltered(view)) return undefined;
  const query = { ...parametersOf({ ...view, cursor: '' }), view: undefined };
  return html`<p class="actions"><span class="hint">${t.actions}</span>
${page.may('admin') && html`<a class="button" href="${addressOf('/redrive', query)}">${t.redrive}</a>`}
<a class="button" href="${addressOf('/export', query)}">${t.export}</a>
${page.may('admin') && html`<a class="button danger" href="${addressOf('/erase', query)}">${t.erase}</a>`}</p>`;
}

function nothing(view: MediaView, accounts: readonly AccountSummary[], locale: Locale): Html {
  const t = locale.of(MEDIA);
  if (isFiltered(view) || view.cursor !== '') return empty(t.none);
  return html`<div class="empty" id="empty"><h2>${t.nothingYet}</h2><p>${t.paste}</p>${accounts.map(
    ({ callbackUrl }) => html`<p class="paste"><code>${outside(callbackUrl)}</code></p>`,
  )}</div>`;
}

/** A cover is the poster of its video, and no card of its own, unless it is what was searched for or what failed. */
const hidesCovers = ({ q, kind, status }: MediaView): boolean =>
  q === '' && kind === '' && ['', 'archived', 'pending'].includes(status);

/** Lists leave out what is erased. Who searches for the id of such an item learns what became of it. */
async function erasedItem({ api }: PageContext, view: MediaView): Promise<MediaPage | undefined> {
  const others = FILTER_FIELDS.filter((field) => field !== 'q' && view[field] !== '');
  if (!ID_PATTERN.test(view.q) || others.length > 0) return undefined;
  try {
    const item = await api.get<Media>(`/v1/media/${view.q}`);
    return { items: [item], nextCursor: null, count: 1 };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

export async function mediaListPage(page: PageContext): Promise<PageContent> {
  const { api, locale } = page;
  const [t, words] = [locale.of(MEDIA), locale.of(WORDS)];
  const view = viewOf(page.query);
  const query = {
    ...apiQueryOf(view, locale),
    covers: hidesCovers(view) ? 'exclude' : undefined,
    limit: SHOWN,
    cursor: view.cursor,
    include: 'link,count',
  };
  const [listed, { items: accounts }] = await Promise.all([
    api.get<MediaPage>('/v1/media', query),
    api.get<{ items: AccountSummary[] }>('/v1/accounts'),
  ]);
  const found = listed.items.length > 0 ? listed : ((await erasedItem(page, view)) ?? listed);
  const names = new Map(accounts.map(({ account, name }) => [account, name ?? account]));
  const posters = await postersOf(found.items, page);
  const count =
    found.count === undefined ? '' : t.count(locale.number(found.count), found.countIsExact !== false);
  const views = html`<p class="views" role="group" aria-label="${t.viewAs}">${(
    ['gallery', 'list'] as const
  ).map(
    (name) =>
      html`<a class="filter" href="${addressFor(view, { view: name, cursor: view.cursor })}"${attributes({ 'aria-current': view.view === name && 'true' })}>${t[name]}</a> `,
  )}</p>`;
  const shown =
    view.view === 'list'
      ? listTable(found.items, locale, names)
      : html`<ul class="grid" id="media">${found.items.map((media) => mediaCard(media, locale, names, posters.get(media.id)))}</ul>`;
  return {
    title: view.q === '' ? t.title : t.found(visible(view.q)),
    section: '/media',
    scripts: view.view === 'gallery' ? ['media', 'lightbox'] : ['media'],
    main: html`${filterForm(view, accounts, locale)}
${panel(
  'results',
  count === '' ? words.all : count,
  html`${actions(view, page)}${found.items.length > 0 ? shown : nothing(view, accounts, locale)}${pager(view, found, locale)}`,
  { aside: views },
)}
${view.view === 'gallery' && lightbox(locale)}`,
  };
}

/** Filled and opened by lightbox.js. */
function lightbox(locale: Locale): Html {
  const t = locale.of(MEDIA);
  return html`<dialog class="lightbox" id="lightbox" data-keep aria-labelledby="lightbox-title">
<div class="lightbox-view"></div>
<div class="lightbox-bar"><button type="button" class="button" data-step="-1">${t.previousItem}</button>
<a class="lightbox-more" href="/media"><span class="lightbox-title" id="lightbox-title">${t.item}</span></a>
<button type="button" class="button" data-step="1">${t.nextItem}</button>
<button type="button" class="button" data-close>${t.close}</button></div>
</dialog>`;
}
