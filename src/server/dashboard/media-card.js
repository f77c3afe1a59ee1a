// A media item as a card: the picture, the player or the download, and its facts.
import { el, icon, safeUrl, timeOf } from './elements.js';

const PICTURES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/bmp', 'image/avif']);
const probe = document.createElement('video');

const contentPath = (media) => `/v1/media/${encodeURIComponent(media.id)}/content`;
const glyph = (media) =>
  ({ voice: 'voice', video: 'video', shortvideo: 'video', file: 'file' })[media.kind] ?? 'image';

/**
 * Returns the name of the file; undefined if WeChat created it from the media id, because users cannot recognise such a
 * name.
 */
const ownName = ({ fileName, mediaId }) => (fileName && !fileName.startsWith(mediaId) ? fileName : undefined);

/** Returns the name that is displayed: the file name, or the kind and the sender. */
function nameOf(media, { texts }) {
  const kind = texts[media.kind] ?? media.kind;
  return ownName(media) ?? (media.openId ? texts.from(kind, media.openId) : kind);
}

const SHOWN = [
  'id',
  'status',
  'waiting',
  'failure',
  'attempts',
  'sizeBytes',
  'contentType',
  'sentAt',
  'expiresAt',
  'openId',
  'fileName',
  'kind',
];

/**
 * Returns a text that represents the content of the card, without the link, whose change must not interrupt a player.
 */
export function versionOf(media, locale) {
  return JSON.stringify([locale.language, ...SHOWN.map((name) => media[name])]);
}

const CHECK_MS = 15_000;

/**
 * Requests one byte through this server. Resolves with the reason why the file is not available; undefined if it is
 * available.
 */
async function contentProblem(media, { texts, tag }) {
  try {
    const response = await fetch(`${contentPath(media)}?proxy=true`, {
      headers: { range: 'bytes=0-0', 'accept-language': tag },
      signal: AbortSignal.timeout(CHECK_MS),
    });
    if (response.ok || response.status === 416) {
      await response.body?.cancel();
      return undefined;
    }
    const { code, failure } = await response.json();
    if (code === 'object_missing') return texts.objectMissing;
    return code === 'store_refused' ? texts.objectRefused(failure?.code ?? code) : texts.objectAway;
  } catch {
    return texts.objectAway;
  }
}

/**
 * If the browser cannot load a file that is available, loads it once more through this server: the link may have
 * expired, or may lead to a host that this browser cannot reach. If the file is not available, shows why.
 */
function explainLoadErrors(element, box, media, locale) {
  let isRetried = false;
  element.addEventListener('error', async () => {
    const why = await contentProblem(media, locale);
    if (why || isRetried)
      return box.replaceWith(downloadSheet(media, locale, why ?? locale.texts.unplayable));
    isRetried = true;
    element.setAttribute('src', `${contentPath(media)}?proxy=true`);
  });
  return box;
}

/** Returns the download button. If the file is not available, a click makes the card show why. */
function download(media, locale) {
  const { texts } = locale;
  const start = async (event) => {
    if (!event.isTrusted) return;
    event.preventDefault();
    const link = event.currentTarget;
    const why = await contentProblem(media, locale);
    if (why) link.closest('.sheet').replaceWith(downloadSheet(media, locale, why));
    else link.click();
  };
  return el(
    'a',
    {
      class: 'button',
      href: `${contentPath(media)}?proxy=true`,
      download: media.fileName ?? true,
      onclick: start,
    },
    texts.download,
  );
}

/** Returns the picture or player if the browser can show the file. */
function preview(media, locale, actions) {
  const url = safeUrl(media.link?.url);
  const type = media.contentType ?? '';
  const name = nameOf(media, locale);
  if (media.status !== 'archived' || !url) return placeholder(media, locale, actions);
  if (PICTURES.has(type)) {
    const title = media.sentAt ? `${name} · ${locale.exact(media.sentAt)}` : name;
    const picture = el('img', { src: url, alt: title, loading: 'lazy', decoding: 'async' });
    const label = locale.texts.openNamed(title);
    const anchor = el(
      'a',
      { href: contentPath(media), target: '_blank', rel: 'noopener', title, 'aria-label': label },
      picture,
    );
    return explainLoadErrors(picture, anchor, media, locale);
  }
  if (type.startsWith('video/') && probe.canPlayType(type)) {
    const video = player('video', url, name, { playsinline: true });
    return explainLoadErrors(video, video, media, locale);
  }
  if (type.startsWith('audio/') && probe.canPlayType(type)) {
    const voice = player('audio', url, name);
    return explainLoadErrors(voice, el('div', { class: 'sheet' }, icon('voice'), voice), media, locale);
  }
  return downloadSheet(media, locale);
}

function player(kind, url, name, more = {}) {
  return el(kind, { src: url, controls: true, preload: 'metadata', 'aria-label': name, ...more });
}

/** Returns an icon and a download button, for files that no browser can show, such as voices in AMR. */
function downloadSheet(media, locale, why = locale.texts.noPlayer) {
  return el(
    'div',
    { class: 'sheet' },
    icon(glyph(media)),
    el('p', { class: 'hint' }, why),
    download(media, locale),
  );
}

/**
 * Returns what is shown instead of a file: why the item waits, or why it failed. The advice is shown with the dead
 * letters.
 */
function placeholder(media, locale, { retry }) {
  const { texts } = locale;
  if (media.status === 'pending') {
    const { reason = 'queued', until } = media.waiting ?? {};
    return el(
      'div',
      { class: 'sheet waiting', 'data-reason': reason },
      icon('wait'),
      el('p', {}, texts[reason] ?? reason),
      until ? el('p', { class: 'hint' }, timeOf(until, 'until')) : null,
      media.expiresAt ? el('p', { class: 'hint' }, timeOf(media.expiresAt, 'expires')) : null,
    );
  }
  const message = media.failure?.message ?? texts[media.status] ?? media.status;
  // WeChat does not let anyone download files of official accounts, so a retry is useless.
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
          texts.retryNow,
        )
      : null,
  );
}

/** `actions.retry` is undefined if the user may not retry. */
export function buildCard(media, locale, accountNames, actions) {
  const { texts } = locale;
  const failure = media.status === 'archived' ? undefined : media.failure;
  const facts = [
    media.sizeBytes === undefined ? null : locale.size(media.sizeBytes),
    failure ? String(failure.errcode ?? failure.code) : null,
    media.status === 'archived' || media.attempts < 2 ? null : texts.attempts(media.attempts),
    accountNames.get(media.account) ?? media.account,
  ].filter(Boolean);
  const name = ownName(media) ?? media.openId ?? '–';
  return el(
    'li',
    { class: 'card' },
    el('div', { class: 'frame' }, preview(media, locale, actions)),
    el(
      'div',
      { class: 'about' },
      el(
        'p',
        { class: 'line' },
        el('span', { class: 'chip', 'data-status': media.status }, texts[media.status] ?? media.status),
        el('strong', {}, media.kind ? (texts[media.kind] ?? media.kind) : ''),
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

/** Replaces an expired link, except in a player that is in use. */
export function refreshLink(card, media) {
  const url = safeUrl(media.link?.url);
  const element = card.querySelector('.frame img, .frame video, .frame audio');
  if (!url || !element || element.getAttribute('src') === url) return;
  const isPlayer = element instanceof HTMLMediaElement;
  if (isPlayer && (element.currentTime > 0 || !element.paused) && !element.error) return;
  element.setAttribute('src', url);
}
