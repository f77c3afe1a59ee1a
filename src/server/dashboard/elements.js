// Creates and updates elements. Text from outside becomes text nodes, never markup.

/** Returns an element with attributes and children. Children that are null or undefined are left out. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'onclick' || key === 'onerror') element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Returns an icon of the set below. It is hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

const ICONS = {
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  voice: 'M4 10v4M8 7v10M12 4v16M16 8v8M20 10.5v3',
  video: 'M3 6h12v12H3zM15 10.5l6-3v9l-6-3',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  wait: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2',
  cross: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9 9l6 6M15 9l-6 6',
};

/**
 * Updates `parent` to have one child for each item. Children that have not changed stay in place, so that nothing
 * flickers and a video continues to play. `version` returns a text that represents the content of a child; when it
 * changes, `build` creates a new child. `update` runs each time.
 */
export function reconcile(parent, items, { key, version, build, update }) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let position = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const current = version(item);
    let child = old.get(name);
    old.delete(name);
    if (!child || child.dataset.version !== current) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.dataset.version = current;
      if (child === position && child) position = child.nextElementSibling;
      const hadFocus = child?.contains(document.activeElement);
      child?.remove();
      child = fresh;
      parent.insertBefore(child, position);
      if (hadFocus) child.querySelector('a, button, [tabindex]')?.focus();
    } else if (child === position) {
      position = child.nextElementSibling;
    } else {
      parent.insertBefore(child, position);
    }
    update?.(child, item);
  }
  for (const child of old.values()) child.remove();
}

/** Sets the text only if it differs, so that screen readers announce only changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Returns the URL if its scheme is http or https; undefined for any other link from outside. */
export function safeUrl(url) {
  return /^https?:\/\//i.test(url ?? '') ? url : undefined;
}

/** Returns a relative time with the exact time as its title. updateTimes updates it. `format` is the name of a text. */
export function timeOf(iso, format) {
  return el('time', { datetime: iso, 'data-format': format });
}

export function updateTimes(root, locale) {
  for (const element of root.querySelectorAll('time[data-format]')) {
    const relative = locale.relative(element.dateTime);
    const format = locale.texts[element.dataset.format];
    setText(element, format ? format(relative) : relative);
    if (!element.title) element.title = locale.exact(element.dateTime);
  }
}
