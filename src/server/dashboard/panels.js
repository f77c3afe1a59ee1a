// Counts, backlog, holds, accounts, and what there is to say when nothing has arrived.
import { el, reconcile, setText, timeOf } from './elements.js';

const COUNTED = ['archived', 'pending', 'dead', 'expired', 'erased'];
const URGENCY = ['overdue', 'under1h', 'under6h', 'under24h', 'over24h'];

export function showCounts(list, stats, speech) {
  const { words } = speech;
  const shown = COUNTED.filter((status) => status !== 'erased' || stats.byStatus.erased > 0);
  reconcile(list, shown, {
    key: (status) => status,
    sign: () => speech.language,
    build: (status) =>
      el(
        'li',
        { class: 'count', 'data-status': status },
        el('span', { class: 'count-word' }, words[status]),
        el('strong', { class: 'count-number' }),
        el('span', { class: 'hint' }),
      ),
    touch: (child, status) => {
      setText(child.querySelector('.count-number'), speech.number(stats.byStatus[status]));
      if (status === 'archived') {
        setText(child.querySelector('.hint'), words.perMinute(speech.number(stats.archivedPerMinute)));
      }
    },
  });
}

export function showBacklog({ bar, legend, aside }, stats, speech) {
  const { words } = speech;
  const waiting = Object.entries(stats.waiting)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${speech.number(count)} ${words[reason] ?? reason}`);
  const nearest = stats.tightestExpirySeconds;
  const deadline =
    nearest === undefined
      ? []
      : [words.tightest(speech.relative(new Date(Date.now() + nearest * 1000).toISOString()))];
  setText(aside, waiting.length > 0 ? [...waiting, ...deadline].join(' · ') : words.nothingWaits);
  const present = URGENCY.filter((name) => stats.backlog[name] > 0);
  reconcile(bar, present, {
    key: (name) => name,
    sign: () => '',
    build: (name) => el('span', { class: 'bar-part', 'data-urgency': name }),
    touch: (child, name) => child.style.setProperty('flex-grow', String(stats.backlog[name])),
  });
  reconcile(legend, URGENCY, {
    key: (name) => name,
    sign: () => speech.language,
    build: (name) =>
      el(
        'li',
        { 'data-urgency': name },
        el('span', { class: 'swatch', 'data-urgency': name, 'aria-hidden': 'true' }),
        el('strong'),
        el('span', {}, words[name]),
      ),
    touch: (child, name) => setText(child.querySelector('strong'), speech.number(stats.backlog[name])),
  });
}

/** Why an account is held, in a sentence: somebody's own words, or what WeChat said and what to do. */
function holdText({ code, reason, by, message, advice }, words) {
  if (code === 'held_by_hand') return reason === message ? message : words.heldBy(by ?? '–', reason);
  return `${message} ${advice}`;
}

/** Nobody should have to look for what stands still; all of it first. `release`: absent where the reader may not. */
export function showHolds(list, { storeHold }, accounts, speech, { release }) {
  const { words } = speech;
  const store = storeHold ? [{ account: '', hold: storeHold }] : [];
  const held = [...store, ...accounts.filter((one) => one.hold)];
  list.hidden = held.length === 0;
  reconcile(list, held, {
    key: (one) => one.account,
    sign: ({ name, hold }) => JSON.stringify([speech.language, name, hold]),
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
            el('strong', {}, account === '' ? words.allHeld : words.isHeld(name ?? account)),
            ` ${holdText(hold, words)}`,
          ),
          el(
            'p',
            { class: 'hold-times' },
            hold.since ? timeOf(hold.since, 'since') : null,
            hold.until ? timeOf(hold.until, 'heldUntil') : el('span', {}, words.untilReleased),
          ),
        ),
        release && account !== ''
          ? el(
              'button',
              { type: 'button', class: 'button', onclick: (event) => release(account, event.currentTarget) },
              hold.code === 'held_by_hand' ? words.release : words.probe,
            )
          : null,
      ),
  });
}

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const listed = (counts, speech) =>
  Object.entries(counts)
    .map(([what, count]) => `${what} ${speech.number(count)}`)
    .join(' · ');

/** How many callbacks came today, and how many of them were turned away. */
function callbackCounts({ today }, speech) {
  const [received, refused] = [total(today.received), total(today.refused)];
  if (received + refused === 0) return null;
  const { words } = speech;
  return el(
    'span',
    { title: [listed(today.received, speech), listed(today.refused, speech)].filter(Boolean).join(' · ') },
    words.callbacksToday(speech.number(received)),
    refused > 0 ? el('strong', { class: 'bad' }, ` ${words.refusedToday(speech.number(refused))}`) : null,
  );
}

export function showAccounts(list, accounts, speech) {
  const { words } = speech;
  reconcile(list, accounts, {
    key: (account) => account.account,
    sign: (account) => JSON.stringify([speech.language, account]),
    build: ({ account, name, hold, lastCallbackAt, callbacks, clockSkew, token, customerService = [] }) =>
      el(
        'li',
        { class: 'row account' },
        el(
          'span',
          { class: 'chip', 'data-status': hold ? 'dead' : 'archived' },
          hold ? words.accountHeld : words.working,
        ),
        el(
          'div',
          { class: 'row-text' },
          el('p', {}, el('strong', {}, name ?? account), name ? ` ${account}` : ''),
          hold ? el('p', { class: 'hint' }, holdText(hold, words)) : null,
          clockSkew
            ? el(
                'p',
                { class: 'hint' },
                el('strong', { class: 'bad' }, clockSkew.message),
                ` ${words.skew(speech.number(Math.abs(clockSkew.seconds)))} ${clockSkew.advice}`,
              )
            : null,
          ...customerService.map(({ openKfId, lastReadAt, failure }) =>
            el(
              'p',
              { class: 'hint' },
              `${words.customerService(openKfId)} `,
              lastReadAt ? timeOf(lastReadAt, 'lastRead') : words.neverRead,
              failure ? el('strong', { class: 'bad' }, ` ${failure.message}`) : null,
            ),
          ),
        ),
        el(
          'p',
          { class: 'row-end' },
          callbackCounts(callbacks, speech),
          lastCallbackAt ? timeOf(lastCallbackAt, 'lastCallback') : el('span', {}, words.noCallback),
          token ? timeOf(token.expiresAt, 'token') : el('span', {}, words.noToken),
        ),
      ),
  });
}

export function showEmpty(box, { isEmpty, isFiltered, accounts }, speech) {
  const { words } = speech;
  box.hidden = !isEmpty;
  const sign = JSON.stringify([speech.language, isFiltered, accounts.map((one) => one.callbackUrl)]);
  if (!isEmpty || box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  if (isFiltered) return box.replaceChildren(el('p', {}, words.emptyFilter));
  box.replaceChildren(
    el('h3', {}, words.emptyTitle),
    el('p', {}, words.emptyText),
    ...accounts.map(({ name, account, callbackUrl }) =>
      el(
        'div',
        { class: 'paste' },
        el('span', { class: 'hint' }, name ?? account),
        el('code', {}, callbackUrl),
        copyButton(callbackUrl, words),
      ),
    ),
  );
}

function copyButton(text, words) {
  const button = el('button', { type: 'button', class: 'button' }, words.copy);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    setText(button, words.copied);
  });
  // Over plain http from another machine browsers keep the clipboard to themselves.
  return navigator.clipboard ? button : null;
}
