// Says why a picture, voice or video could not be loaded: in the words of the API, which knows the reason.

const CHECK_MS = 10_000;

async function reasonOf(address) {
  const response = await fetch(address, {
    headers: { range: 'bytes=0-0', 'accept-language': document.documentElement.lang },
    signal: AbortSignal.timeout(CHECK_MS),
  });
  if (response.ok || response.status === 416) {
    await response.body?.cancel();
    return undefined;
  }
  const { detail, title, advice } = await response.json();
  return `${detail ?? title}. ${advice}`;
}

async function explain(element) {
  const own = `/v1/media/${element.dataset.media}/content?proxy=true`;
  try {
    const isPreview = element.getAttribute('src').endsWith('/preview');
    const reason = await reasonOf(isPreview ? element.src : own);
    // The file is there: the link has expired, or its host cannot be reached from this browser. It is loaded once more,
    // through this server.
    if (reason === undefined && element.dataset.again === undefined) {
      element.dataset.again = '';
      element.src = own;
      return;
    }
    showReason(element, reason);
  } catch {
    // No connection: the line above the content says so.
  }
}

// Errors of media elements do not bubble, but they can be captured.
document.addEventListener(
  'error',
  ({ target }) => {
    if (target.dataset?.media !== undefined) void explain(target);
  },
  true,
);
// Those that failed before this script was loaded.
for (const element of document.querySelectorAll('[data-media]')) {
  const hasFailed =
    element.localName === 'img' ? element.complete && element.naturalWidth === 0 : element.error;
  if (hasFailed && element.getAttribute('src')) void explain(element);
}

function showReason(element, reason) {
  const text = document.createElement('p');
  text.className = 'hint failure';
  text.dataset.keep = '';
  text.textContent = reason ?? element.getAttribute('aria-label') ?? element.getAttribute('alt');
  (element.closest('a[data-open]') ?? element).replaceWith(text);
}
