// One media as a card: the picture, the player or the download, and what is known of it.
import { el, icon, safeUrl, timeOf } from './elements.js';

const PICTURES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/bmp', 'image/avif']);
const probe = document.createElement('video');

const contentPath = (media) => `/v1/media/${encodeURIComponent(media.id)}/content`;
const glyph = (media) =>
  ({ voice: 'voice', video: 'video', shortvideo: 'video', file: 'file' })[media.kind] ?? 'image';

/** What the card shows besides the link, which changes with time and must not disturb a player. */
export function signOf(media, speech) {
  const { id, status, waiting, failure, tries, sizeBytes, contentType, sentAt, openId, fileName, kind } =
    media;
  return JSON.stringify([
    speech.language,
    id,
    status,
    waiting,
    failure,
    tries,
    sizeBytes,
    contentType,
    sentAt,
    openId,
    fileName,
    kind,
  ]);
}

function download(media, speech) {
  const { words } = speech;
  return el(
    'a',
    { class: 'button', href: `${contentPath(media)}?proxy=true`, download: media.fileName ?? true },
    words.download,
  );
}

/** The file itself where a browser can show it. */
function preview(media, speech) {
  const { words } = speech;
  const url = safeUrl(media.link?.url);
  const type = media.contentType ?? '';
  const name = media.fileName ?? words[media.kind] ?? media.kind;
  if (media.status !== 'archived' || !url) return placeholder(media, speech);
  if (PICTURES.has(type)) {
    const picture = el('img', { src: url, alt: name, loading: 'lazy', decoding: 'async' });
    const anchor = el(
      'a',
      { href: contentPath(media), target: '_blank', rel: 'noopener', 'aria-label': words.openNamed(name) },
      picture,
    );
    picture.addEventListener('error', () => anchor.replaceWith(card(media, speech)));
    return anchor;
  }
  if (type.startsWith('video/') && probe.canPlayType(type)) {
    return player('video', url, name, { playsinline: true });
  }
  if (type.startsWith('audio/') && probe.canPlayType(type)) {
    return el('div', { class: 'sheet' }, icon('voice'), player('audio', url, name));
  }
  return card(media, speech);
}

function player(kind, url, name, more = {}) {
  return el(kind, { src: url, controls: true, preload: 'metadata', 'aria-label': name, ...more });
}

/** Voices are AMR, which no browser plays; so is much else one can only keep. */
function card(media, speech) {
  return el(
    'div',
    { class: 'sheet' },
    icon(glyph(media)),
    el('p', { class: 'hint' }, speech.words.noPlayer),
    download(media, speech),
  );
}

function placeholder(media, speech) {
  const { words } = speech;
  if (media.status === 'pending') {
    const { reason = 'queued', until } = media.waiting ?? {};
    return el(
      'div',
      { class: 'sheet waiting', 'data-reason': reason },
      icon('wait'),
      el('p', {}, words[reason] ?? reason),
      until ? el('p', { class: 'hint' }, timeOf(until, 'until')) : null,
    );
  }
  return el('div', { class: 'sheet gone' }, icon('cross'), el('p', {}, words[media.status] ?? media.status));
}

/** What went wrong, in a sentence; what to do about it stands with the dead letters. */
function failureOf(media) {
  if (!media.failure || media.status === 'archived') return null;
  const { message, errcode, code } = media.failure;
  return el('p', { class: 'failure' }, `${message} `, el('code', {}, String(errcode ?? code)));
}

export function buildCard(media, speech, accountNames) {
  const { words } = speech;
  const facts = [
    media.sizeBytes === undefined ? null : speech.size(media.sizeBytes),
    media.status === 'archived' || media.tries < 2 ? null : words.tries(media.tries),
    accountNames.get(media.account) ?? media.account,
    media.openId,
  ].filter(Boolean);
  return el(
    'li',
    { class: 'card' },
    el('div', { class: 'frame' }, preview(media, speech)),
    el(
      'div',
      { class: 'about' },
      el(
        'p',
        { class: 'line' },
        el('span', { class: 'chip', 'data-status': media.status }, words[media.status] ?? media.status),
        el('strong', {}, media.kind ? (words[media.kind] ?? media.kind) : ''),
      ),
      media.fileName ? el('p', { class: 'name', title: media.fileName }, media.fileName) : null,
      el(
        'p',
        { class: 'facts', title: facts.join(' · ') },
        media.sentAt ? timeOf(media.sentAt, 'ago') : null,
        ...facts.map((fact) => ` · ${fact}`),
      ),
      media.status === 'pending' && media.expiresAt
        ? el('p', { class: 'facts' }, timeOf(media.expiresAt, 'expires'))
        : null,
      failureOf(media),
    ),
  );
}

/** A link that has run out is replaced when it is next wanted; what plays is left alone. */
export function refreshLink(card, media) {
  const url = safeUrl(media.link?.url);
  const element = card.querySelector('.frame img, .frame video, .frame audio');
  if (!url || !element || element.getAttribute('src') === url) return;
  const isPlayer = element instanceof HTMLMediaElement;
  if (isPlayer && (element.currentTime > 0 || !element.paused) && !element.error) return;
  element.setAttribute('src', url);
}
