// The lightbox of the gallery: the file of a card, large, with the keyboard. The open item stands in the address, so
// that Back closes it and a copied address opens it. Its content is the view of the item's own page.

const dialog = document.getElementById('lightbox');
const view = dialog.querySelector('.lightbox-view');
const title = dialog.querySelector('.lightbox-title');
const more = dialog.querySelector('.lightbox-more');
const RESPONSE_MS = 15_000;

let shown;
let loading;

const ids = () => [...document.querySelectorAll('#media > .card')].map(({ id }) => id);
const pageOf = (id) => `/media/${encodeURIComponent(id)}`;

function addressWith(id) {
  const url = new URL(location.href);
  if (id) url.searchParams.set('item', id);
  else url.searchParams.delete('item');
  return url.pathname + url.search;
}

async function load(id) {
  loading?.abort();
  loading = new AbortController();
  const signal = AbortSignal.any([loading.signal, AbortSignal.timeout(RESPONSE_MS)]);
  try {
    const response = await fetch(pageOf(id), { signal });
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const content = page.getElementById('view');
    // The item is gone, or the session has ended: its own page says which.
    if (!content) return location.assign(pageOf(id));
    view.replaceChildren(...content.children);
    title.textContent = page.querySelector('main > h1').textContent;
    more.href = pageOf(id);
  } catch (error) {
    if (error.name !== 'AbortError') location.assign(pageOf(id));
  }
}

function open(id) {
  shown = id;
  if (!dialog.open) dialog.showModal();
  view.replaceChildren();
  void load(id);
}

function close() {
  shown = undefined;
  loading?.abort();
  view.replaceChildren();
  if (dialog.open) dialog.close();
}

function step(by) {
  const all = ids();
  const next = all[all.indexOf(shown) + by];
  if (next === undefined) return;
  history.replaceState({ lightbox: true }, '', addressWith(next));
  open(next);
}

document.addEventListener('click', (event) => {
  const anchor = event.target.closest?.('#media [data-open]');
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState({ lightbox: true }, '', addressWith(anchor.dataset.open));
  open(anchor.dataset.open);
});

dialog.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-step]');
  if (button) step(Number(button.dataset.step));
  else if (event.target === dialog || event.target.closest('[data-close]')) dialog.close();
});
dialog.addEventListener('keydown', (event) => {
  // In a player the arrows move in time.
  if (event.target instanceof HTMLMediaElement) return;
  if (event.key === 'ArrowLeft') step(-1);
  if (event.key === 'ArrowRight') step(1);
});
// Escape, too: the address must not keep naming an item that is not shown.
dialog.addEventListener('close', () => {
  const wasShown = shown;
  close();
  if (!wasShown || !new URL(location.href).searchParams.has('item')) return;
  if (history.state?.lightbox) history.back();
  else history.replaceState(null, '', addressWith());
  document.querySelector(`#${wasShown} [data-open]`)?.focus();
});

function followAddress() {
  const id = new URL(location.href).searchParams.get('item');
  if (id && /^m_[0-9a-f]{32}$/.test(id)) {
    if (id !== shown) open(id);
  } else if (shown) close();
}
addEventListener('popstate', followAddress);
followAddress();
