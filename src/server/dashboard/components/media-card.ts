/** A media item as a card of the gallery. */
import { type Html, html, outside } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import type { Media, MediaPage } from '../core/media-json.ts';
import type { PageContext } from '../core/page.ts';
import { WORDS } from '../texts/words.ts';
import { chip, time } from './elements.ts';
import { mediaView, nameOf, pageOf } from './media-view.ts';

/** Until when a pending item can be downloaded. */
export const deadline = ({ status, expiresAt }: Media, locale: Locale): Html | false =>
  status === 'pending' &&
  expiresAt !== undefined &&
  html`<p class="facts">${locale.of(WORDS).expires} ${time(locale, expiresAt)}</p>`;

/** `names`: the accounts by id. `poster`: the archived cover of a video. */
export function mediaCard(
  media: Media,
  locale: Locale,
  names: ReadonlyMap<string, string>,
  poster: Media | undefined,
): Html {
  const words = locale.of(WORDS);
  const { failure } = media;
  const facts = [
    media.sizeBytes === undefined ? undefined : locale.size(media.sizeBytes),
    media.status === 'archived' || !failure ? undefined : String(failure.errcode ?? failure.code),
    names.get(media.account) ?? media.account,
  ].filter((fact) => fact !== undefined);
  return html`<li class="card" id="${media.id}">
<div class="frame">${mediaView(media, locale, { size: 'card', poster })}</div>
<div class="about">
<p class="line">${chip(locale, media.status)} <strong>${media.kind && words.kind[media.kind]}</strong></p>
<p class="name"><a href="${pageOf(media)}">${outside(nameOf(media, locale))}</a></p>
${media.text && html`<p class="text">${outside(media.text)}</p>`}
<p class="facts">${time(locale, media.sentAt ?? media.createdAt)}${facts.map((fact) => html` · ${outside(fact)}`)}</p>
${deadline(media, locale)}
</div></li>`;
}

/** The archived covers of the videos of a page, by the id of the video. */
export async function postersOf(items: readonly Media[], page: PageContext): Promise<Map<string, Media>> {
  const videos = items.filter(({ kind, status }) => status === 'archived' && kind?.endsWith('video'));
  if (videos.length === 0) return new Map();
  const { items: covers } = await page.api.get<MediaPage>('/v1/media', {
    parentId: videos.map(({ id }) => id),
    kind: 'thumb',
    status: 'archived',
    limit: 200,
  });
  return new Map(covers.flatMap((cover) => (cover.parentId ? [[cover.parentId, cover]] : [])));
}
