/** What a browser shows of a media item: picture, player, or why there is nothing to see. */
import { isRenderable } from '../../../media-type.ts';
import { attributes, type Html, html, outside, visible } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import type { Media } from '../core/media-json.ts';
import { WORDS } from '../texts/words.ts';
import { time } from './elements.ts';

const PICTURES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif']);
/** Voices that no browser plays: the preview is a WAV. */
const CONVERTED: ReadonlySet<string> = new Set(['audio/amr', 'audio/amr-wb', 'audio/silk']);

const pathOf = ({ id }: Pick<Media, 'id'>) => `/v1/media/${encodeURIComponent(id)}`;
export const pageOf = ({ id }: Pick<Media, 'id'>) => `/media/${encodeURIComponent(id)}`;

/** The name that people know an item by: its file name unless that is only the media id, else its sender. */
export function nameOf(media: Media, locale: Locale): string {
  const { fileName, mediaId, openId, kind } = media;
  if (fileName && !(mediaId && fileName.startsWith(mediaId))) return fileName;
  const what = kind ? locale.of(WORDS).kind[kind] : media.id;
  return openId ? `${what} · ${openId}` : what;
}

const ICONS = {
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  voice: 'M4 10v4M8 7v10M12 4v16M16 8v8M20 10.5v3',
  video: 'M3 6h12v12H3zM15 10.5l6-3v9l-6-3',
  shortvideo: 'M3 6h12v12H3zM15 10.5l6-3v9l-6-3',
  thumb: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  wait: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2',
  cross: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9 9l6 6M15 9l-6 6',
} as const;

const icon = (name: keyof typeof ICONS): Html =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;

/** An icon and a sentence, for items that have nothing to see. */
const sheet = (name: keyof typeof ICONS, classes: string, content: Html): Html =>
  html`<div class="sheet ${classes}">${icon(name)}${content}</div>`;

function withoutFile(media: Media, locale: Locale): Html {
  const t = locale.of(WORDS);
  if (media.status === 'pending') {
    const { reason = 'queued', until } = media.waiting ?? {};
    return sheet(
      'wait',
      'waiting',
      html`<p>${t.waiting[reason]}</p>${until && html`<p class="hint">${time(locale, until)}</p>`}`,
    );
  }
  return sheet(
    'cross',
    'gone',
    html`<p class="failure">${outside(media.failure?.message ?? t.status[media.status])}</p>`,
  );
}

/**
 * `size`: `card` shows a thumbnail that leads to the item's page, `full` the whole picture. `poster`: the archived cover
 * of a video. A script (media.js) replaces what a browser could not load by the reason that the API gives.
 */
export function mediaView(
  media: Media,
  locale: Locale,
  { size, poster }: { size: 'card' | 'full'; poster?: Pick<Media, 'id'> | undefined },
): Html {
  if (media.status !== 'archived') return withoutFile(media, locale);
  const type = media.contentType ?? '';
  const name = visible(nameOf(media, locale));
  const preview = `${pathOf(media)}/preview`;
  const source = media.link?.url ?? `${pathOf(media)}/content?proxy=true`;
  if (PICTURES.has(type)) {
    const address = size === 'card' ? preview : source;
    const picture = html`<img src="${address}" alt="${name}" loading="lazy" decoding="async" data-media="${media.id}">`;
    return size === 'card'
      ? html`<a href="${pageOf(media)}" data-open="${media.id}">${picture}</a>`
      : picture;
  }
  if (CONVERTED.has(type) || type.startsWith('audio/')) {
    const address = CONVERTED.has(type) ? preview : source;
    const player = html`<audio controls preload="none" src="${address}" aria-label="${name}" data-media="${media.id}"></audio>`;
    return sheet('voice', '', player);
  }
  if (type.startsWith('video/') && isRenderable(type)) {
    const cover = poster && `${pathOf(poster)}/preview`;
    return html`<video controls playsinline preload="${cover ? 'none' : 'metadata'}" src="${source}" aria-label="${name}" data-media="${media.id}"${attributes({ poster: cover })}></video>`;
  }
  return sheet(media.kind ?? 'file', '', html`<p class="hint">${outside(type)}</p>`);
}
