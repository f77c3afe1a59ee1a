// Shows counts, backlog, holds and accounts, and a hint while nothing has arrived yet.
import { el, reconcile, setText, timeOf } from './elements.js';

const COUNTED = ['archived', 'pending', 'dead', 'expired', 'erased'];
const URGENCY = ['overdue', 'under1h', 'under6h', 'under24h', 'over24h'];

export function showCounts(list, stats, locale) {
  const { texts } = locale;
  const shown = COUNTED.filter((status) => status !== 'erased' || stats.byStatus.erased > 0);
  reconcile(list, shown, {
    key: (status) => status,
    version: () => locale.language,
    build: (status) =>
      el(
        'li',
        { class: 'count', 'data-status': status },
        el('span', { class: 'count-word' }, texts[status]),
        el('strong', { class: 'count-number' }),
        el('span', { class: 'hint' }),
      ),
    update: (child, status) => {
      setText(child.querySelector('.count-number'), locale.number(stats.byStatus[status]));
      if (status === 'archived') {
        setText(child.querySelector('.hint'), texts.perMinute(locale.number(stats.archivedPerMinute)));
      }
    },
  });
}

export function showBacklog({ bar, legend, aside }, stats, locale) {
  const { texts } = locale;
  const waiting = Object.entries(stats.waiting)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${locale.number(count)} ${texts[reason] ?? reason}`);
  const nearest = stats.tightestExpirySeconds;
  const deadline =
    nearest === undefined
      ? []
      : [texts.tightest(locale.relative(new Date(Date.now() + nearest * 1000).toISOString()))];
  setText(aside, waiting.length > 0 ? [...waiting, ...deadline].join(' · ') : texts.nothingWaits);
  const present = URGENCY.filter((name) => stats.backlog[name] > 0);
  reconcile(bar, present, {
    key: (name) => name,
    version: () => '',
    build: (name) => el('span', { class: 'bar-part', 'data-urgency': name }),
    update: (child, name) => child.style.setProperty('flex-grow', String(stats.backlog[name])),
  });
  reconcile(legend, URGENCY, {
    key: (name) => name,
    version: () => locale.language,
    build: (name) =>
      el(
        'li',
        { 'data-urgency': name },
        el('span', { class: 'swatch', 'data-urgency': name, 'aria-hidden': 'true' }),
        el('strong'),
        el('span', {}, texts[name]),
      ),
    update: (child, name) => setText(child.querySelector('strong'), locale.number(stats.backlog[name])),
  });
}

/** Returns why an account is held: the reason that a person gave, or the failure with advice. */
function holdText({ code, reason, by, message, advice }, texts) {
  if (code === 'held_by_hand') return reason === message ? message : texts.heldBy(by ?? '–', reason);
  return `${message} ${advice}`;
}

/**
 * Shows the holds at the top of the page, with the store hold first. `release` is undefined if the user may not release
 * them.
 */
export function showHolds(list, { storeHold }, accounts, locale, { release }) {
  const { texts } = locale;
  const store = storeHold ? [{ account: '', hold: storeHold }] : [];
  const held = [...store, ...accounts.filter((one) => one.hold)];
  list.hidden = held.length === 0;
  reconcile(list, held, {
    key: (one) => one.account,
    version: ({ name, hold }) => JSON.stringify([locale.language, name, hold]),
    build: ({ account, name, hold }) =>
      el(
        'li',
        { class: 'notice hold' },
        el(
          'div',
          { class: 'hold-text' },
          el(
            'p',
            {},
            el('strong', {}, account === '' ? texts.allHeld : texts.isHeld(name ?? account)),
            ` ${holdText(hold, texts)}`,
          ),
          el(
            'p',
            { class: 'hold-times' },
            hold.since ? timeOf(hold.since, 'since') : null,
            hold.until ? timeOf(hold.until, 'heldUntil') : el('span', {}, texts.untilReleased),
          ),
        ),
        release && account !== ''
          ? el(
              'button',
              { type: 'button', class: 'button', onclick: (event) => release(account, event.currentTarget) },
              hold.code === 'held_by_hand' ? texts.release : texts.probe,
            )
          : null,
      ),
  });
}

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const listed = (counts, locale) =>
  Object.entries(counts)
    .map(([what, count]) => `${what} ${locale.number(count)}`)
    .join(' · ');

/** Returns how many callbacks were received and refused today. */
function callbackCounts({ today }, locale) {
  const [received, refused] = [total(today.received), total(today.refused)];
  if (received + refused === 0) return null;
  const { texts } = locale;
  return el(
    'span',
    { title: [listed(today.received, locale), listed(today.refused, locale)].filter(Boolean).join(' · ') },
    texts.callbacksToday(locale.number(received)),
    refused > 0 ? el('strong', { class: 'bad' }, ` ${texts.refusedToday(locale.number(refused))}`) : null,
  );
}

export function showAccounts(list, accounts, locale) {
  const { texts } = locale;
  reconcile(list, accounts, {
    key: (account) => account.account,
    version: (account) => JSON.stringify([locale.language, account]),
    build: ({ account, name, hold, lastCallbackAt, callbacks, clockSkew, token, customerService = [] }) =>
      el(
        'li',
        { class: 'row account' },
        el(
          'span',
          { class: 'chip', 'data-status': hold ? 'dead' : 'archived' },
          hold ? texts.accountHeld : texts.working,
        ),
        el(
          'div',
          { class: 'row-text' },
          el('p', {}, el('strong', {}, name ?? account), name ? ` ${account}` : ''),
          hold ? el('p', { class: 'hint' }, holdText(hold, texts)) : null,
          clockSkew
            ? el(
                'p',
                { class: 'hint' },
                el('strong', { class: 'bad' }, clockSkew.message),
                ` ${texts.skew(locale.number(Math.abs(clockSkew.seconds)))} ${clockSkew.advice}`,
              )
            : null,
          ...customerService.map(({ openKfId, lastReadAt, failure }) =>
            el(
              'p',
              { class: 'hint' },
              `${texts.customerService(openKfId)} `,
              lastReadAt ? timeOf(lastReadAt, 'lastRead') : texts.neverRead,
              failure ? el('strong', { class: 'bad' }, ` ${failure.message}`) : null,
            ),
          ),
        ),
        el(
          'p',
          { class: 'row-end' },
          callbackCounts(callbacks, locale),
          lastCallbackAt ? timeOf(lastCallbackAt, 'lastCallback') : el('span', {}, texts.noCallback),
          token ? timeOf(token.expiresAt, 'token') : el('span', {}, texts.noToken),
        ),
      ),
  });
}

export function showEmpty(box, { isEmpty, isFiltered, accounts }, locale) {
  const { texts } = locale;
  box.hidden = !isEmpty;
  const version = JSON.stringify([locale.language, isFiltered, accounts.map((one) => one.callbackUrl)]);
  if (!isEmpty || box.dataset.version === version) return;
  box.dataset.version = version;
  if (isFiltered) return box.replaceChildren(el('p', {}, texts.emptyFilter));
  box.replaceChildren(
    el('h3', {}, texts.emptyTitle),
    el('p', {}, texts.emptyText),
    ...accounts.map(({ name, account, callbackUrl }) =>
      el(
        'div',
        { class: 'paste' },
        el('span', { class: 'hint' }, name ?? account),
        el('code', {}, callbackUrl),
        copyButton(callbackUrl, texts),
      ),
    ),
  );
}

function copyButton(text, texts) {
  const button = el('button', { type: 'button', class: 'button' }, texts.copy);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    setText(button, texts.copied);
  });
  // Browsers do not offer a clipboard to pages that come over plain http from another machine.
  return navigator.clipboard ? button : null;
}
