/** /media/{id}: one media item with its file, facts, timeline, and what may be done with it. */
import { chip, code, type Fact, facts, panel, problemBox, time } from '../../components/elements.ts';
import { formEnd, reasonField } from '../../components/forms.ts';
import { mediaView, nameOf, pageOf } from '../../components/media-view.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { attributes, type Html, html, outside, visible } from '../../core/html.ts';
import type { Media, MediaPage } from '../../core/media-json.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type PageResult } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { ITEM } from './item-texts.ts';
import { type AttemptJson, type AuditJson, timeline } from './timeline.ts';

type Item = Media & { readonly attemptLog?: readonly AttemptJson[] };

const RELATED = 20;
const AUDIT = 100;
/** The lives of links that the page offers, in the API's words. */
const LIVES = ['15m', '1h', '1d', '7d'] as const;

interface NewLink {
  readonly url: string;
  readonly expiresAt: string;
}

const pathOf = (id: string) => `/v1/media/${encodeURIComponent(id)}`;

function factsOf(media: Media, { locale }: PageContext): Html {
  const [t, words] = [locale.of(ITEM), locale.of(WORDS)];
  const { openId, msgId, failure } = media;
  const at = (iso: string | undefined) => iso && time(locale, iso, false);
  const text = (name: string, value: string | undefined): Fact | undefined =>
    value === undefined ? undefined : { name, value: outside(value), copy: value };
  return facts(locale, [
    {
      name: words.account,
      value: html`<a href="/accounts#${encodeURIComponent(media.account)}">${outside(media.account)}</a>`,
    },
    media.waiting && {
      name: t.waiting,
      value: html`${words.waiting[media.waiting.reason]} ${media.waiting.until && time(locale, media.waiting.until)}`,
    },
    failure && {
      name: t.failure,
      value: html`${code(failure.errcode ?? failure.code)} ${outside(failure.message)} ${outside(failure.advice)}${failure.rid && html` ${code(failure.rid)}`}`,
    },
    media.text !== undefined && text(t.text, media.text),
    openId !== undefined && {
      name: t.sender,
      value: html`${outside(openId)} · <a href="${addressOf('/media', { openId, account: media.account })}">${t.allOfSender}</a>`,
      copy: openId,
    },
    { name: t.sentAt, value: at(media.sentAt) },
    { name: t.acceptedAt, value: at(media.createdAt) },
    { name: t.archivedAt, value: at(media.archivedAt) },
    media.status === 'pending' && { name: t.expiresAt, value: at(media.expiresAt) },
    { name: t.erasedAt, value: at(media.erasedAt) },
    text(t.fileName, media.fileName),
    { name: t.contentType, value: media.contentType && outside(media.contentType) },
    {
      name: t.size,
      value:
        media.sizeBytes === undefined
          ? undefined
          : `${locale.size(media.sizeBytes)} (${locale.number(media.sizeBytes)} B)`,
    },
    media.sha256 !== undefined && {
      name: t.sha256,
      value: html`<a href="${addressOf('/media', { q: media.sha256 })}"><code>${media.sha256}</code></a>`,
      copy: media.sha256,
    },
    text(t.id, media.id),
    text(t.mediaId, media.mediaId),
    msgId !== undefined && {
      name: t.msgId,
      value: html`<a href="${addressOf('/media', { msgId, account: media.account })}">${outside(msgId)}</a>`,
      copy: msgId,
    },
    { name: t.variant, value: media.variant },
    media.labels && {
      name: t.labels,
      value: Object.entries(media.labels).map(
        ([name, value]) =>
          html`<a class="chip" href="${addressOf('/media', { label: `${name}=${value}` })}">${outside(name)}: ${outside(value)}</a> `,
      ),
    },
    media.objectKey !== undefined && text(t.object, `${media.bucket}/${media.objectKey}`),
    {
      name: t.source,
      value: media.source && html`${code(media.source)} ${media.lengthVerified === false && t.unverified}`,
    },
    { name: t.updatedAt, value: at(media.updatedAt) },
  ]);
}

function linkPart(media: Media, link: NewLink | undefined, { locale, may }: PageContext): Html {
  const t = locale.of(ITEM);
  // Links of more than the service's own time need the scope write; the API decides.
  const lives = may('write') ? LIVES : LIVES.slice(0, 2);
  return html`<form method="post" action="${pageOf(media)}/links" class="choices">
<label for="ttl">${t.linkLife}</label>
<select id="ttl" name="ttl">${lives.map((life) => html`<option value="${life}"${attributes({ selected: life === '1d' })}>${t.lives[life]}</option>`)}</select>
<button type="submit" class="button">${t.link}</button></form>
<p class="hint">${t.linkHint}</p>
${
  link &&
  html`<div class="notice good" role="status"><p class="field"><label for="new-link">${t.linkReady}</label>
<input id="new-link" readonly value="${link.url}"></p>
<p><button type="button" class="button" data-copy="${link.url}" data-done="${locale.of(WORDS).copied}" hidden>${locale.of(WORDS).copy}</button> ${t.linkExpires} ${time(locale, link.expiresAt, false)}</p></div>`
}`;
}

function actionsOf(media: Media, link: NewLink | undefined, page: PageContext): Html | undefined {
  const { locale, may } = page;
  const t = locale.of(ITEM);
  const mayRetry = may('write') && ['dead', 'expired'].includes(media.status) && media.kind !== 'file';
  return panel(
    'actions',
    t.actions,
    html`<div class="choices">${
      media.status === 'archived' &&
      html`<a class="button" href="${pathOf(media.id)}/content?proxy=true" download="${media.fileName ? visible(media.fileName) : ''}">${t.download}</a>`
    }${
      mayRetry &&
      html`<form method="post" action="${pageOf(media)}/retry" class="inline-form"><button type="submit" class="button">${t.retry}</button></form>${media.status === 'expired' && html`<span class="hint">${t.retryHint}</span>`}`
    }${may('admin') && media.status !== 'erased' && html`<a class="button danger" href="${pageOf(media)}/erase">${t.erase}</a>`}</div>
${media.status === 'archived' && linkPart(media, link, page)}`,
  );
}

/** The other items of the message, and the covers and variants of this one. */
async function relatedOf(media: Media, { api }: PageContext): Promise<readonly Media[]> {
  const lists = await Promise.all([
    media.msgId === undefined
      ? undefined
      : api.get<MediaPage>('/v1/media', { msgId: media.msgId, account: media.account, limit: RELATED }),
    media.status === 'erased'
      ? undefined
      : api.get<MediaPage>('/v1/media', { parentId: [media.id], limit: RELATED }),
    media.parentId === undefined ? undefined : api.get<MediaPage>('/v1/media', { id: media.parentId }),
  ]);
  const found = lists.flatMap((list) => list?.items ?? []);
  return [...new Map(found.map((one) => [one.id, one])).values()].filter(({ id }) => id !== media.id);
}

async function content(page: PageContext, link?: NewLink, error?: ApiError): Promise<PageContent> {
  const { api, locale, params } = page;
  const [t, words] = [locale.of(ITEM), locale.of(WORDS)];
  const media = await api.get<Item>(pathOf(params.id ?? ''), { include: 'attemptLog,link' });
  const until = media.archivedAt ?? (media.status === 'pending' ? undefined : media.updatedAt);
  const [related, audit, holds] = await Promise.all([
    relatedOf(media, page),
    api.get<{ items: AuditJson[] }>('/v1/audit-log', { target: media.id, limit: AUDIT }),
    api.get<{ items: AuditJson[] }>('/v1/audit-log', {
      target: media.account,
      from: media.createdAt,
      to: until,
      limit: AUDIT,
    }),
  ]);
  const cover = related.find(
    ({ kind, parentId, status }) => kind === 'thumb' && parentId === media.id && status === 'archived',
  );
  const kind = media.kind && words.kind[media.kind];
  return {
    title: visible(nameOf(media, locale)),
    section: '/media',
    scripts: ['media'],
    // A page with a link that was just made must not be replaced by one without it.
    isLive: link === undefined,
    main: html`<p class="line">${chip(locale, media.status)} <strong>${kind}</strong> ${time(locale, media.sentAt ?? media.createdAt)}</p>
${problemBox(error?.problem)}
<div class="item">
<div class="item-view" id="view">${mediaView(media, locale, { size: 'full', poster: cover })}</div>
${actionsOf(media, link, page)}
</div>
${panel('facts', t.facts, factsOf(media, page))}
${
  related.length > 0 &&
  panel(
    'related',
    t.related,
    html`<ul class="related">${related.map(
      (one) =>
        html`<li>${chip(locale, one.status)} <a href="${pageOf(one)}">${one.kind && words.kind[one.kind]}${one.variant && ` (${one.variant})`} ${outside(nameOf(one, locale))}</a></li>`,
    )}</ul>`,
  )
}
${panel('timeline', t.timeline, timeline(media, { attempts: media.attemptLog ?? [], audit: audit.items, holds: holds.items.filter(({ action }) => ['hold', 'release'].includes(action)) }, locale))}`,
  };
}

export const itemPage = (page: PageContext): Promise<PageContent> => content(page);

export async function retryItem(page: PageContext): Promise<PageResult> {
  const id = page.params.id ?? '';
  return orExplain(
    async () => {
      const { status } = await page.api.get<Media>(pathOf(id));
      await page.api.send('POST', `${pathOf(id)}/retry`, status === 'expired' ? { force: true } : {});
      return { redirect: pageOf({ id }), notice: notice('retried') };
    },
    (error) => content(page, undefined, error),
  );
}

export async function makeLink(page: PageContext): Promise<PageResult> {
  const id = page.params.id ?? '';
  return orExplain(
    async () => {
      const body = { ttl: page.form.get('ttl') ?? '' };
      return content(page, await page.api.send<NewLink>('POST', `${pathOf(id)}/links`, body));
    },
    (error) => content(page, undefined, error),
  );
}

/** Asks before an item is erased. */
export async function eraseItemPage(page: PageContext, error?: ApiError): Promise<PageContent> {
  const { api, locale, params } = page;
  const t = locale.of(ITEM);
  const media = await api.get<Media>(pathOf(params.id ?? ''));
  return {
    title: t.eraseTitle,
    section: '/media',
    isLive: false,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
<section class="panel ask"><p>${chip(locale, media.status)} ${outside(nameOf(media, locale))}</p>
<p>${t.eraseText}</p>
<form method="post" action="${pageOf(media)}/erase" class="ask">
${reasonField(locale, page.form.get('reason') ?? undefined)}
${formEnd(locale, t.eraseConfirm, pageOf(media), true)}
</form></section>`,
  };
}

export async function eraseItem(page: PageContext): Promise<PageResult> {
  const id = page.params.id ?? '';
  return orExplain(
    async () => {
      const reason = page.form.get('reason')?.trim();
      const address = addressOf(pathOf(id), { reason });
      const erased = await page.api.send<Media>('DELETE', address);
      return { redirect: pageOf({ id }), notice: notice(erased.erasedAt ? 'erased' : 'erasing') };
    },
    (error) => eraseItemPage(page, error),
  );
}
