// The dashboard: looks every few seconds while somebody looks at it, and changes only what has changed.
import { openRedrive, showDead, showRedrives } from './dead-letters.js';
import { el, reconcile, setText, tellTimes } from './elements.js';
import { buildCard, refreshLink, signOf } from './media-card.js';
import { showAccounts, showBacklog, showCounts, showEmpty, showHolds } from './panels.js';
import { chooseLanguage, createSpeech } from './words.js';

const LOOK_EVERY_MS = 3_000;
const ANSWER_MS = 10_000;
const SHOWN = 24;
const FILTERS = ['all', 'archived', 'pending', 'dead', 'expired'];
const LANGUAGE_KEY = 'wma-language';

const at = (id) => document.getElementById(id);
const kept = () => {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
};

let speech = createSpeech(chooseLanguage([kept() ?? '', ...navigator.languages]));
let filter = 'all';
/** A group of dead letters that the list is narrowed to. */
let group;
let timer;
let looking;

/** What the reader's key allows; the server asks again. */
const may = (scope) => document.body.dataset.scopes.split(' ').includes(scope);

async function ask(path, signal, method = 'GET', body = undefined) {
  const answer = await fetch(path, {
    method,
    headers: {
      'accept-language': speech.tag,
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  // Signed out, or the session has run out: the door is behind the same address.
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/** A deed of the reader's, by a button that cannot be pressed twice meanwhile; then the page looks again. */
async function act(button, path, method) {
  button.disabled = true;
  try {
    await ask(path, AbortSignal.timeout(ANSWER_MS), method);
  } catch (error) {
    button.disabled = false;
    // 409: somebody else was faster, and the page is about to show it.
    if (error.message !== '409') return showTrouble(error.message === '403' ? 'mayNot' : 'notDone');
  }
  return look();
}

const actions = {
  retry: may('write')
    ? (media, button) => act(button, `/v1/media/${encodeURIComponent(media.id)}/retry`, 'POST')
    : undefined,
  release: may('admin')
    ? (account, button) => act(button, `/v1/accounts/${encodeURIComponent(account)}/hold`, 'DELETE')
    : undefined,
  redrive: may('admin')
    ? ({ title, body }) =>
        openRedrive(at('redrive'), title, speech, async (dryRun, reason) => {
          const wish = { ...body, dryRun, ...(reason ? { reason } : {}) };
          const answer = await ask('/v1/redrives', AbortSignal.timeout(ANSWER_MS), 'POST', wish);
          if (!dryRun) void look();
          return answer;
        })
    : undefined,
  stop: may('admin')
    ? ({ id }, button) => act(button, `/v1/redrives/${encodeURIComponent(id)}`, 'DELETE')
    : undefined,
  showOnly: (wanted) => {
    choose('dead', wanted);
    at('media-title').scrollIntoView();
    document.querySelector('.filter[data-key=group]')?.focus({ preventScroll: true });
  },
};

function showTrouble(word) {
  setText(at('trouble'), speech.words[word]);
  at('trouble').hidden = false;
}

async function look() {
  clearTimeout(timer);
  looking?.abort();
  if (document.visibilityState !== 'visible') return;
  const mine = new AbortController();
  looking = mine;
  try {
    const status = filter === 'all' ? '' : `&status=${filter}`;
    const only = group ? `&account=${encodeURIComponent(group.account)}&errcode=${group.errcode}` : '';
    const [stats, page, dead, accounts, redrives] = await Promise.all([
      ask('/v1/stats', mine.signal),
      ask(`/v1/media?limit=${SHOWN}&include=link${status}${only}`, mine.signal),
      ask('/v1/dead-letters', mine.signal),
      ask('/v1/accounts', mine.signal),
      ask('/v1/redrives', mine.signal),
    ]);
    show(stats, page.items, { groups: dead.groups, redrives: redrives.items }, accounts.items);
    at('trouble').hidden = true;
  } catch (error) {
    if (mine.signal.aborted) return;
    showTrouble(error.message === '403' ? 'forbidden' : 'lost');
  }
  timer = setTimeout(look, LOOK_EVERY_MS);
}

function show(stats, media, { groups, redrives }, accounts) {
  const names = new Map(accounts.map(({ account, name }) => [account, name ?? account]));
  showState(stats);
  showHolds(at('holds'), stats, accounts, speech, actions);
  showCounts(at('counts'), stats, speech);
  showBacklog({ bar: at('bar'), legend: at('legend'), aside: at('backlog-aside') }, stats, speech);
  reconcile(at('media'), media, {
    key: (one) => one.id,
    sign: (one) => signOf(one, speech),
    build: (one) => buildCard(one, speech, names, actions),
    touch: refreshLink,
  });
  showEmpty(at('empty'), { isEmpty: media.length === 0, isFiltered: filter !== 'all', accounts }, speech);
  showRedrives(at('redrives'), redrives, speech, names, actions);
  const places = { section: at('dead'), list: at('dead-rows'), all: at('dead-all') };
  showDead(places, groups, speech, names, actions);
  showAccounts(at('account-rows'), accounts, speech);
  tellTimes(document, speech);
  document.body.dataset.shown = 'true';
}

/** One line on how it goes; announced when it changes. All is well only where no check of the list finds anything. */
function showState({ checks, byStatus }) {
  const { words } = speech;
  const [worst, ...others] = checks;
  const [tone, text] = worst
    ? [worst.severity === 'notice' ? 'busy' : 'bad', words.found(worst.message, others.length)]
    : byStatus.pending > 0
      ? ['busy', words.busy(speech.number(byStatus.pending))]
      : ['good', words.calm];
  at('state').dataset.tone = tone;
  setText(at('state'), text);
}

function showFilters() {
  const { words } = speech;
  const names = group ? [...FILTERS, 'group'] : FILTERS;
  // Pressed once more, the group is let go of and all of its state are shown.
  reconcile(at('filters'), names, {
    key: (name) => name,
    sign: (name) => JSON.stringify([speech.language, name === 'group' && group.errcode]),
    build: (name) =>
      name === 'group'
        ? el(
            'button',
            { type: 'button', class: 'filter', onclick: () => choose('dead') },
            words.only(String(group.errcode)),
          )
        : el('button', { type: 'button', class: 'filter', onclick: () => choose(name) }, words[name]),
    touch: (button, name) => button.setAttribute('aria-pressed', String(name === 'group' || name === filter)),
  });
}

function choose(name, wanted = undefined) {
  filter = name;
  group = wanted;
  showFilters();
  void look();
}

function speak(language) {
  speech = createSpeech(language);
  document.documentElement.lang = speech.tag;
  for (const element of document.querySelectorAll('[data-word]')) {
    setText(element, speech.words[element.dataset.word]);
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', speech.words[element.dataset.label]);
  }
  const other = language === 'zh' ? { text: 'English', tag: 'en' } : { text: '中文', tag: 'zh-CN' };
  setText(at('language'), other.text);
  at('language').lang = other.tag;
  showFilters();
}

at('language').addEventListener('click', () => {
  const language = speech.language === 'zh' ? 'en' : 'zh';
  try {
    localStorage.setItem(LANGUAGE_KEY, language);
  } catch {
    // A browser that keeps nothing still speaks it for this visit.
  }
  speak(language);
  void look();
});
document.addEventListener('visibilitychange', look);
speak(speech.language);
void look();
