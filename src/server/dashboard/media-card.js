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

const CHECK_MS = 15_000;

/** Asks our own server for one byte: why the file cannot be had, or undefined where it can. */
async function whyNoFile(media, { words, tag }) {
  try {
    const answer = await fetch(`${contentPath(media)}?proxy=true`, {
      headers: { range: 'bytes=0-0', 'accept-language': tag },
      signal: AbortSignal.timeout(CHECK_MS),
    });
    if (answer.ok || answer.status === 416) {
      await answer.body?.cancel();
      return undefined;
    }
    const { code, failure } = await answer.json();
    if (code === 'object_missing') return words.objectMissing;
    return code === 'store_refused' ? words.objectRefused(failure?.code ?? code) : words.objectAway;
  } catch {
    return words.objectAway;
  }
}

/**
 * What the browser could not show is looked into: where the file can be had after all, it is tried once more through
 * our server, since the link may have run out or lead to where this browser does not get.
 */
function explainErrors(element, box, media, speech) {
  let isTried = false;
  element.addEventListener('error', async () => {
    const why = await whyNoFile(media, speech);
    if (why || isTried) return box.replaceWith(card(media, speech, why ?? speech.words.unplayable));
    isTried = true;
    element.setAttribute('src', `${contentPath(media)}?proxy=true`);
  });
  return box;
}

/** Begins only where there is something to download; else the card says why there is not. */
function download(media, speech) {
  const { words } = speech;
  const start = async (event) => {
    if (!event.isTrusted) return;
    event.preventDefault();
    const link = event.currentTarget;
    const why = await whyNoFile(media, speech);
    if (why) link.closest('.sheet').replaceWith(card(media, speech, why));
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
    return explainErrors(picture, anchor, media, speech);
  }
  if (type.startsWith('video/') && probe.canPlayType(type)) {
    const film = player('video', url, name, { playsinline: true });
    return explainErrors(film, film, media, speech);
  }
  if (type.startsWith('audio/') && probe.canPlayType(type)) {
    const voice = player('audio', url, name);
    return explainErrors(voice, el('div', { class: 'sheet' }, icon('voice'), voice), media, speech);
  }
  return card(media, speech);
}

function player(kind, url, name, more = {}) {
  return el(kind, { src: url, controls: true, preload: 'metadata', 'aria-label': name, ...more });
}

/** Voices are AMR, which no browser plays; so is much else one can only keep. */
function card(media, speech, why = speech.words.noPlayer) {
  return el(
    'div',
    { class: 'sheet' },
    icon(glyph(media)),
    el('p', { class: 'hint' }, why),
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
