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

const byId = (id) => document.getElementById(id);
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

/** Whether the user's key has the scope. This only decides which buttons are shown; the server checks each request. */
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
  // The user has signed out, or the session has expired. After a reload the same address shows the sign-in page.
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
        openRedrive(byId('redrive'), title, locale, async (dryRun, reason) => {
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
    byId('media-title').scrollIntoView();
    document.querySelector('.filter[data-key=group]')?.focus({ preventScroll: true });
  },
};

function showError(name) {
  setText(byId('error'), locale.texts[name]);
  byId('error').hidden = false;
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
    byId('error').hidden = true;
  } catch (error) {
    if (controller.signal.aborted) return;
    showError(error.message === '403' ? 'forbidden' : 'lost');
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

function show(stats, media, { groups, redrives }, accounts) {
  const names = new Map(accounts.map(({ account, name }) => [account, name ?? account]));
  showState(stats);
  showHolds(byId('holds'), stats, accounts, locale, actions);
  showCounts(byId('counts'), stats, locale);
  showBacklog({ bar: byId('bar'), legend: byId('legend'), aside: byId('backlog-aside') }, stats, locale);
  reconcile(byId('media'), media, {
    key: (one) => one.id,
    version: (one) => versionOf(one, locale),
    build: (one) => buildCard(one, locale, names, actions),
    update: refreshLink,
  });
  showEmpty(byId('empty'), { isEmpty: media.length === 0, isFiltered: filter !== 'all', accounts }, locale);
  showRedrives(byId('redrives'), redrives, locale, names, actions);
  const elements = { section: byId('dead'), list: byId('dead-rows'), all: byId('dead-all') };
  showDead(elements, groups, locale, names, actions);
  showAccounts(byId('account-rows'), accounts, locale);
  updateTimes(document, locale);
  document.body.dataset.shown = 'true';
}

/**
 * Shows the state of the service in one line, which screen readers announce when it changes. `calm` is shown only if no
 * check has a finding.
 */
function showState({ checks, byStatus }) {
  const { texts } = locale;
  const [worst, ...others] = checks;
  const [tone, text] = worst
    ? [worst.severity === 'notice' ? 'busy' : 'bad', texts.found(worst.message, others.length)]
    : byStatus.pending > 0
      ? ['busy', texts.busy(locale.number(byStatus.pending))]
      : ['good', texts.calm];
  byId('state').dataset.tone = tone;
  setText(byId('state'), text);
}

function showFilters() {
  const { texts } = locale;
  const names = group ? [...FILTERS, 'group'] : FILTERS;
  // The button of the group removes this filter again.
  reconcile(byId('filters'), names, {
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
  setText(byId('language'), other.text);
  byId('language').lang = other.tag;
  showFilters();
}

byId('language').addEventListener('click', () => {
  const language = locale.language === 'zh' ? 'en' : 'zh';
  try {
    localStorage.setItem(LANGUAGE_KEY, language);
  } catch {
    // Without storage the choice lasts only for this visit.
  }
  setLanguage(language);
  void refresh();
});
document.addEventListener('visibilitychange', refresh);
setLanguage(locale.language);
void refresh();
