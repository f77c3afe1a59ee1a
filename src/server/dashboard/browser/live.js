// Live updates: one stream of hints that something has changed. After a hint the page is fetched again from its own
// address, and only what differs is changed in place, so that focus, players and open parts stay as they are.
import { Idiomorph } from '/dashboard/vendor/idiomorph.js';

const LEAST_INTERVAL_MS = 2_000;
const RESPONSE_MS = 15_000;
const ANNOUNCE_MS = 10_000;
const LOST_AFTER_MS = 4_000;

const byId = (id) => document.getElementById(id);
const { lost, ended, signIn } = document.body.dataset;

let source;
let etag;
let isPaused = false;
let isFetching = false;
let isChanged = false;
let updatedAt = 0;
let timer;
let lostTimer;
let announcedAt = 0;
let announceTimer;
let enhance;

/** Shows a line above the content, or removes it. It is announced, because the page is not up to date. */
function showConnection(text, link) {
  byId('connection')?.remove();
  if (!text) return;
  const line = document.createElement('p');
  line.id = 'connection';
  line.className = 'notice bad';
  line.setAttribute('role', 'alert');
  line.append(text);
  if (link) {
    const anchor = document.createElement('a');
    anchor.href = location.pathname + location.search;
    anchor.textContent = signIn;
    line.append(' ', anchor);
  }
  byId('main').before(line);
}

/** At most one message to screen readers in ten seconds; the last one wins. */
function announce(text) {
  clearTimeout(announceTimer);
  const waitMs = Math.max(0, announcedAt + ANNOUNCE_MS - Date.now());
  announceTimer = setTimeout(() => {
    announcedAt = Date.now();
    byId('announcement').textContent = text;
  }, waitMs);
}

const isInUse = (element) =>
  (element instanceof HTMLMediaElement && (!element.paused || element.currentTime > 0) && !element.error) ||
  element.dataset?.keep !== undefined;

const callbacks = {
  beforeNodeMorphed: (old) => !(old instanceof Element && isInUse(old)),
  beforeNodeRemoved: (old) =>
    !(old instanceof Element && isInUse(old) && document.body.contains(old.parentElement)),
  // What the user has opened, and what scripts have shown, stays.
  beforeAttributeUpdated: (name, element) =>
    !(name === 'open' && element.localName === 'details') &&
    !(name === 'hidden' && 'copy' in element.dataset),
};

function show(page) {
  const state = byId('state');
  const before = state?.textContent;
  for (const id of ['state', 'main']) {
    const [old, fresh] = [byId(id), page.getElementById(id)];
    if (old && fresh) Idiomorph.morph(old, fresh, { ignoreActiveValue: true, callbacks });
  }
  document.title = page.title;
  enhance();
  document.dispatchEvent(new CustomEvent('dashboard-updated'));
  const after = byId('state')?.textContent;
  if (after !== before) announce(after);
}

/** The session has ended: nothing more is asked for until the user has signed in. */
function endSession() {
  stop();
  isPaused = true;
  showConnection(ended, true);
}

export async function update() {
  if (isFetching) {
    isChanged = true;
    return;
  }
  isFetching = true;
  isChanged = false;
  try {
    const response = await fetch(location.href, {
      headers: { 'x-dashboard-update': '1', ...(etag ? { 'if-none-match': etag } : {}) },
      signal: AbortSignal.timeout(RESPONSE_MS),
    });
    if (response.status === 401) return endSession();
    if (response.status === 304 || !response.ok) return;
    etag = response.headers.get('etag');
    show(new DOMParser().parseFromString(await response.text(), 'text/html'));
  } catch {
    // The stream shows that the connection is lost, and the next hint comes after it is back.
  } finally {
    isFetching = false;
    updatedAt = Date.now();
    if (isChanged) schedule();
  }
}

function schedule() {
  clearTimeout(timer);
  if (isPaused || document.hidden) return;
  timer = setTimeout(update, Math.max(0, updatedAt + LEAST_INTERVAL_MS - Date.now()));
}

function start() {
  if (source || isPaused || document.hidden) return;
  source = new EventSource('/dashboard/changes');
  source.addEventListener('open', () => {
    clearTimeout(lostTimer);
    lostTimer = undefined;
    showConnection();
    schedule();
  });
  source.addEventListener('change', schedule);
  source.addEventListener('ended', endSession);
  source.addEventListener('error', () => {
    lostTimer ??= setTimeout(() => showConnection(lost), LOST_AFTER_MS);
    // A response that is no stream (401, 503) ends the source for good: the page is asked instead.
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    setTimeout(async () => {
      await update();
      start();
    }, 5_000);
  });
}

function stop() {
  clearTimeout(timer);
  source?.close();
  source = undefined;
}

/** `enhanceChanged` is called after each update. */
export function startLiveUpdates(enhanceChanged) {
  enhance = enhanceChanged;
  const button = byId('pause');
  const [pause, resume] = [button.textContent, button.dataset.resume];
  button.hidden = false;
  button.addEventListener('click', () => {
    isPaused = !isPaused;
    button.setAttribute('aria-pressed', String(isPaused));
    button.textContent = isPaused ? resume : pause;
    if (isPaused) stop();
    else start();
  });
  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()));
  // A page that the browser keeps for Back must not hold a connection.
  addEventListener('pagehide', stop);
  addEventListener('pageshow', start);
  start();
}
