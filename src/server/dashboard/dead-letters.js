// Dead letters by failure, trying them again, and how far that is.
import { el, reconcile, setText, timeOf } from './elements.js';

/** How long a redrive that has ended is still shown. */
const SHOWN_MS = 10 * 60_000;
/** WeChat offers no way to have them, however often they are tried. */
const NEVER = 'not_downloadable';

const filterOf = ({ account, code, errcode }) => ({
  account,
  code,
  ...(errcode === undefined ? {} : { errcode }),
});

/**
 * `actions.redrive`: absent where the reader may not. `actions.showOnly` narrows the list of media to a group.
 * @param {{section, list, all}} places
 */
export function showDead({ section, list, all }, groups, speech, accountNames, actions) {
  const { words } = speech;
  const { redrive, showOnly } = actions;
  section.hidden = groups.length === 0 && section.querySelector('#redrives').hidden;
  all.hidden = !redrive || groups.filter(({ code }) => code !== NEVER).length < 2;
  all.onclick = () => redrive?.({ title: words.redriveAll, body: { all: true } });
  reconcile(list, groups, {
    key: (group) => `${group.account}/${group.code}/${group.errcode ?? ''}`,
    sign: (group) => JSON.stringify([speech.language, group]),
    build: (group) =>
      el(
        'li',
        { class: 'row' },
        el('strong', { class: 'tally' }, speech.number(group.count)),
        el(
          'div',
          { class: 'row-text' },
          el('p', {}, group.message),
          el('p', { class: 'hint' }, group.advice),
        ),
        el(
          'p',
          { class: 'row-end' },
          codeOf(group, words, showOnly),
          el('span', {}, accountNames.get(group.account) ?? group.account),
          timeOf(group.lastAt, 'last'),
          redrive && group.code !== NEVER
            ? el(
                'button',
                {
                  type: 'button',
                  class: 'button',
                  'aria-label': words.redriveNamed(String(group.errcode ?? group.code)),
                  onclick: () => redrive({ title: group.message, body: { filter: filterOf(group) } }),
                },
                words.redrive,
              )
            : null,
        ),
      ),
  });
}

function codeOf(group, words, showOnly) {
  const code = el('code', {}, String(group.errcode ?? group.code));
  if (group.errcode === undefined) return code;
  const label = words.showOnly(group.errcode);
  return el(
    'button',
    { type: 'button', class: 'code-link', 'aria-label': label, title: label, onclick: () => showOnly(group) },
    code,
  );
}

function whatOf({ filter }, words, accountNames) {
  const { errcode = [], code = [], class: classes = [], kind = [], account = [] } = filter;
  // An errcode says more than its name.
  const causes = errcode.length > 0 ? errcode : [...code, ...classes];
  const kinds = kind.map((one) => words[one] ?? one);
  const accounts = account.map((one) => accountNames.get(one) ?? one);
  return [...causes, ...kinds, ...accounts].join(' · ') || words.everything;
}

function progressText({ state, done, skipped, total }, speech) {
  const { words } = speech;
  const word = { running: words.redriving, stopped: words.redriveStopped, done: words.redriveDone }[state];
  const text = word(speech.number(done), speech.number(total));
  return skipped > 0 ? `${text} ${words.redriveSkipped(speech.number(skipped))}` : text;
}

/** Those that run and those that have just ended. `stop`: absent where the reader may not. */
export function showRedrives(list, redrives, speech, accountNames, { stop }) {
  const { words } = speech;
  const shown = redrives.filter(
    ({ state, endedAt }) => state === 'running' || Date.parse(endedAt) > Date.now() - SHOWN_MS,
  );
  list.hidden = shown.length === 0;
  reconcile(list, shown, {
    key: (one) => one.id,
    sign: (one) => JSON.stringify([speech.language, one.state, accountNames.size]),
    build: (one) =>
      el(
        'li',
        { class: 'redrive', 'data-state': one.state },
        el(
          'div',
          { class: 'redrive-text' },
          el(
            'p',
            {},
            el('strong', {}, whatOf(one, words, accountNames)),
            ' – ',
            el('span', { role: 'status' }),
          ),
          el(
            'p',
            { class: 'hint' },
            words.redriveBy(one.actor),
            one.reason ? ` · ${one.reason}` : '',
            ' · ',
            timeOf(one.askedAt, 'ago'),
          ),
        ),
        el('progress', { max: Math.max(1, one.total), 'aria-label': words.progress }),
        stop && one.state === 'running'
          ? el(
              'button',
              { type: 'button', class: 'button', onclick: (event) => stop(one, event.currentTarget) },
              words.stop,
            )
          : null,
      ),
    touch: (child, one) => {
      setText(child.querySelector('[role=status]'), progressText(one, speech));
      // With nothing left to do it is complete, whatever was skipped.
      child.querySelector('progress').value = one.state === 'done' ? Math.max(1, one.total) : one.done;
    },
  });
}

/** Says how many media it is about before anything is done. `ask(dryRun, reason)` rejects where it did not work. */
export function openRedrive(dialog, title, speech, ask) {
  const { words } = speech;
  const count = el('p', { role: 'status' }, words.counting);
  const reason = el('input', { id: 'redrive-reason', type: 'text', maxlength: 300, autocomplete: 'off' });
  const go = el('button', { type: 'submit', class: 'primary', disabled: true }, words.redrive);
  const trouble = () => setText(count, words.notDone);
  const form = el(
    'form',
    { method: 'dialog' },
    el('h2', { id: 'redrive-title' }, title),
    count,
    el('label', { for: 'redrive-reason' }, words.reason),
    reason,
    el(
      'p',
      { class: 'choices' },
      el('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, words.cancel),
      go,
    ),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await ask(false, reason.value.trim());
      dialog.close();
    } catch {
      trouble();
      go.disabled = false;
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
  ask(true, '')
    .then(({ matched }) => {
      setText(count, words.matched(speech.number(matched)));
      setText(go, words.redriveCount(speech.number(matched)));
      go.disabled = matched === 0;
    })
    .catch(trouble);
}
