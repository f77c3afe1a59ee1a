// The dashboard: refreshes every few seconds while the page is visible, and updates only what has changed.
import { openRedrive, showDead, showRedrives } from './dead-letters.js';
import { el, reconcile, setText, updateTimes } from './elements.js';
import { buildCard, refreshLink, versionOf } from './media-card.js';
import { showAccounts, showBacklog, showCounts, showEmpty, showHolds } from './panels.js';
import { chooseLanguage, createLocale } from './texts.js';

const REFRESH_MS = 3_000;
const RESPONSE_MS = 10_000;
const SHOWN = 24;
const FILTERS = ['all', 'archived', 'pending', 'dead', 'expired'];
const LANGUAGE_KEY = 'wma-language';

const at = (id) => document.getElementById(id);
const storedLanguage = () => {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
};

let locale = createLocale(chooseLanguage([storedLanguage() ?? '', ...navigator.languages]));
let filter = 'all';
/** The group of dead letters by which the list is filtered. */
let group;
let timer;
let refreshing;

/** Whether the user's key has the scope. It only decides what is offered: the server checks each request. */
const may = (scope) => document.body.dataset.scopes.split(' ').includes(scope);

async function request(path, signal, method = 'GET', body = undefined) {
  const response = await fetch(path, {
    method,
    headers: {
      'accept-language': locale.tag,
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(RESPONSE_MS)]),
  });
  // Signed out, or the session has expired: the same address shows the sign-in page.
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Runs the action of a button, which is disabled meanwhile, then refreshes the page. */
async function runAction(button, path, method) {
  button.disabled = true;
  try {
    await request(path, AbortSignal.timeout(RESPONSE_MS), method);
  } catch (error) {
    button.disabled = false;
    // 409: another user was faster, and the refresh shows it.
    if (error.message !== '409') return showError(error.message === '403' ? 'mayNot' : 'notDone');
  }
  return refresh();
}

const actions = {
  retry: may('write')
    ? (media, button) => runAction(button, `/v1/media/${encodeURIComponent(media.id)}/retry`, 'POST')
    : undefined,
  release: may('admin')
    ? (account, button) => runAction(button, `/v1/accounts/${encodeURIComponent(account)}/hold`, 'DELETE')
    : undefined,
  redrive: may('admin')
    ? ({ title, body }) =>
        openRedrive(at('redrive'), title, locale, async (dryRun, reason) => {
          const redrive = { ...body, dryRun, ...(reason ? { reason } : {}) };
          const response = await request('/v1/redrives', AbortSignal.timeout(RESPONSE_MS), 'POST', redrive);
          if (!dryRun) void refresh();
          return response;
        })
    : undefined,
  stop: may('admin')
    ? ({ id }, button) => runAction(button, `/v1/redrives/${encodeURIComponent(id)}`, 'DELETE')
    : undefined,
  showOnly: (wanted) => {
    choose('dead', wanted);
    at('media-title').scrollIntoView();
    document.querySelector('.filter[data-key=group]')?.focus({ preventScroll: true });
  },
};

function showError(name) {
  setText(at('error'), locale.texts[name]);
  at('error').hidden = false;
}

async function refresh() {
  clearTimeout(timer);
  refreshing?.abort();
  if (document.visibilityState !== 'visible') return;
  const controller = new AbortController();
  refreshing = controller;
  try {
    const status = filter === 'all' ? '' : `&status=${filter}`;
    const only = group ? `&account=${encodeURIComponent(group.account)}&errcode=${group.errcode}` : '';
    const [stats, page, dead, accounts, redrives] = await Promise.all([
      request('/v1/stats', controller.signal),
      request(`/v1/media?limit=${SHOWN}&include=link${status}${only}`, controller.signal),
      request('/v1/dead-letters', controller.signal),
      request('/v1/accounts', controller.signal),
      request('/v1/redrives', controller.signal),
    ]);
    show(stats, page.items, { groups: dead.groups, redrives: redrives.items }, accounts.items);
    at('error').hidden = true;
  } catch (error) {
    if (controller.signal.aborted) return;
    showError(error.message === '403' ? 'forbidden' : 'lost');
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

function show(stats, media, { groups, redrives }, accounts) {
  const names = new Map(accounts.map(({ account, name }) => [account, name ?? account]));
  showState(stats);
  showHolds(at('holds'), stats, accounts, locale, actions);
  showCounts(at('counts'), stats, locale);
  showBacklog({ bar: at('bar'), legend: at('legend'), aside: at('backlog-aside') }, stats, locale);
  reconcile(at('media'), media, {
    key: (one) => one.id,
    version: (one) => versionOf(one, locale),
    build: (one) => buildCard(one, locale, names, actions),
    update: refreshLink,
  });
  showEmpty(at('empty'), { isEmpty: media.length === 0, isFiltered: filter !== 'all', accounts }, locale);
  showRedrives(at('redrives'), redrives, locale, names, actions);
  const elements = { section: at('dead'), list: at('dead-rows'), all: at('dead-all') };
  showDead(elements, groups, locale, names, actions);
  showAccounts(at('account-rows'), accounts, locale);
  updateTimes(document, locale);
  document.body.dataset.shown = 'true';
}

/** The state of the service in one line, announced when it changes. `calm` only where no check finds anything. */
function showState({ checks, byStatus }) {
  const { texts } = locale;
  const [worst, ...others] = checks;
  const [tone, text] = worst
    ? [worst.severity === 'notice' ? 'busy' : 'bad', texts.found(worst.message, others.length)]
    : byStatus.pending > 0
      ? ['busy', texts.busy(locale.number(byStatus.pending))]
      : ['good', texts.calm];
  at('state').dataset.tone = tone;
  setText(at('state'), text);
}

function showFilters() {
  const { texts } = locale;
  const names = group ? [...FILTERS, 'group'] : FILTERS;
  // The button of the group removes this filter again.
  reconcile(at('filters'), names, {
    key: (name) => name,
    version: (name) => JSON.stringify([locale.language, name === 'group' && group.errcode]),
    build: (name) =>
      name === 'group'
        ? el(
            'button',
            { type: 'button', class: 'filter', onclick: () => choose('dead') },
            texts.only(String(group.errcode)),
          )
        : el('button', { type: 'button', class: 'filter', onclick: () => choose(name) }, texts[name]),
    update: (button, name) =>
      button.setAttribute('aria-pressed', String(name === 'group' || name === filter)),
  });
}

function choose(name, wanted = undefined) {
  filter = name;
  group = wanted;
  showFilters();
  void refresh();
}

function setLanguage(language) {
  locale = createLocale(language);
  document.documentElement.lang = locale.tag;
  for (const element of document.querySelectorAll('[data-text]')) {
    setText(element, locale.texts[element.dataset.text]);
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', locale.texts[element.dataset.label]);
  }
  const other = language === 'zh' ? { text: 'English', tag: 'en' } : { text: '中文', tag: 'zh-CN' };
  setText(at('language'), other.text);
  at('language').lang = other.tag;
  showFilters();
}

at('language').addEventListener('click', () => {
  const language = locale.language === 'zh' ? 'en' : 'zh';
  try {
    localStorage.setItem(LANGUAGE_KEY, language);
  } catch {
    // Without storage the choice lasts for this visit.
  }
  setLanguage(language);
  void refresh();
});
document.addEventListener('visibilitychange', refresh);
setLanguage(locale.language);
void refresh();
