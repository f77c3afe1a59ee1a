// One media as a card: the picture, the player or the download, and what is known of it.
import { el, icon, safeUrl, timeOf } from './elements.js';

const PICTURES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/bmp', 'image/avif']);
const probe = document.createElement('video');

const contentPath = (media) => `/v1/media/${encodeURIComponent(media.id)}/content`;
const glyph = (media) =>
  ({ voice: 'voice', video: 'video', shortvideo: 'video', file: 'file' })[media.kind] ?? 'image';

/** A file's own name; WeChat's names are the media id with an ending, which says nothing to anybody. */
const ownName = ({ fileName, mediaId }) => (fileName && !fileName.startsWith(mediaId) ? fileName : undefined);

/** What somebody would call it: by its name, else by what it is and who sent it. */
function nameOf(media, { words }) {
  const kind = words[media.kind] ?? media.kind;
  return ownName(media) ?? (media.openId ? words.from(kind, media.openId) : kind);
}

const SHOWN = [
  'id',
  'status',
  'waiting',
  'failure',
  'tries',
  'sizeBytes',
  'contentType',
  'sentAt',
  'expiresAt',
  'openId',
  'fileName',
  'kind',
];

/** What the card shows besides the link, which changes with time and must not disturb a player. */
export function signOf(media, speech) {
  return JSON.stringify([speech.language, ...SHOWN.map((name) => media[name])]);
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
function preview(media, speech, actions) {
  const url = safeUrl(media.link?.url);
  const type = media.contentType ?? '';
  const name = nameOf(media, speech);
  if (media.status !== 'archived' || !url) return placeholder(media, speech, actions);
  if (PICTURES.has(type)) {
    const title = media.sentAt ? `${name} · ${speech.exact(media.sentAt)}` : name;
    const picture = el('img', { src: url, alt: title, loading: 'lazy', decoding: 'async' });
    const label = speech.words.openNamed(title);
    const anchor = el(
      'a',
      { href: contentPath(media), target: '_blank', rel: 'noopener', title, 'aria-label': label },
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

/** Why there is no file to see: what it waits for, or what went wrong. What to do stands with the dead letters. */
function placeholder(media, speech, { retry }) {
  const { words } = speech;
  if (media.status === 'pending') {
    const { reason = 'queued', until } = media.waiting ?? {};
    return el(
      'div',
      { class: 'sheet waiting', 'data-reason': reason },
      icon('wait'),
      el('p', {}, words[reason] ?? reason),
      until ? el('p', { class: 'hint' }, timeOf(until, 'until')) : null,
      media.expiresAt ? el('p', { class: 'hint' }, timeOf(media.expiresAt, 'expires')) : null,
    );
  }
  const message = media.failure?.message ?? words[media.status] ?? media.status;
  // Files that WeChat offers no way to download stay dead however often they are tried.
  const mayRetry = retry && media.status === 'dead' && media.kind !== 'file';
  return el(
    'div',
    { class: 'sheet gone' },
    icon('cross'),
    el('p', { class: 'failure', title: message }, message),
    mayRetry
      ? el(
          'button',
          { type: 'button', class: 'button', onclick: (event) => retry(media, event.currentTarget) },
          words.retryNow,
        )
      : null,
  );
}

/** `actions.retry`: absent where the reader may not. */
export function buildCard(media, speech, accountNames, actions) {
  const { words } = speech;
  const failure = media.status === 'archived' ? undefined : media.failure;
  const facts = [
    media.sizeBytes === undefined ? null : speech.size(media.sizeBytes),
    failure ? String(failure.errcode ?? failure.code) : null,
    media.status === 'archived' || media.tries < 2 ? null : words.tries(media.tries),
    accountNames.get(media.account) ?? media.account,
  ].filter(Boolean);
  const name = ownName(media) ?? media.openId ?? '–';
  return el(
    'li',
    { class: 'card' },
    el('div', { class: 'frame' }, preview(media, speech, actions)),
    el(
      'div',
      { class: 'about' },
      el(
        'p',
        { class: 'line' },
        el('span', { class: 'chip', 'data-status': media.status }, words[media.status] ?? media.status),
        el('strong', {}, media.kind ? (words[media.kind] ?? media.kind) : ''),
      ),
      el('p', { class: 'name', title: name }, name),
      el(
        'p',
        { class: 'facts', title: facts.join(' · ') },
        media.sentAt ? timeOf(media.sentAt, 'ago') : null,
        ...facts.map((fact) => ` · ${fact}`),
      ),
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
