// Dead letters by failure, redriving them, and the progress of redrives.
import { el, reconcile, setText, timeOf } from './elements.js';

/** How long a redrive is shown after its end. */
const SHOWN_MS = 10 * 60_000;
/** The code of items that WeChat does not let anyone download. Redriving them is useless. */
const NOT_DOWNLOADABLE = 'not_downloadable';

const filterOf = ({ account, code, errcode }) => ({
  account,
  code,
  ...(errcode === undefined ? {} : { errcode }),
});

/**
 * `actions.redrive` is undefined if the user may not redrive. `actions.showOnly` filters the list of media items by a
 * group. @param {{section, list, all}} elements
 */
export function showDead({ section, list, all }, groups, locale, accountNames, actions) {
  const { texts } = locale;
  const { redrive, showOnly } = actions;
  section.hidden = groups.length === 0 && section.querySelector('#redrives').hidden;
  all.hidden = !redrive || groups.filter(({ code }) => code !== NOT_DOWNLOADABLE).length < 2;
  all.onclick = () => redrive?.({ title: texts.redriveAll, body: { all: true } });
  reconcile(list, groups, {
    key: (group) => `${group.account}/${group.code}/${group.errcode ?? ''}`,
    version: (group) => JSON.stringify([locale.language, group]),
    build: (group) =>
      el(
        'li',
        { class: 'row' },
        el('strong', { class: 'count-badge' }, locale.number(group.count)),
        el(
          'div',
          { class: 'row-text' },
          el('p', {}, group.message),
          el('p', { class: 'hint' }, group.advice),
        ),
        el(
          'p',
          { class: 'row-end' },
          codeOf(group, texts, showOnly),
          el('span', {}, accountNames.get(group.account) ?? group.account),
          timeOf(group.lastAt, 'last'),
          redrive && group.code !== NOT_DOWNLOADABLE
            ? el(
                'button',
                {
                  type: 'button',
                  class: 'button',
                  'aria-label': texts.redriveNamed(String(group.errcode ?? group.code)),
                  onclick: () => redrive({ title: group.message, body: { filter: filterOf(group) } }),
                },
                texts.redrive,
              )
            : null,
        ),
      ),
  });
}

function codeOf(group, texts, showOnly) {
  const code = el('code', {}, String(group.errcode ?? group.code));
  if (group.errcode === undefined) return code;
  const label = texts.showOnly(group.errcode);
  return el(
    'button',
    { type: 'button', class: 'code-link', 'aria-label': label, title: label, onclick: () => showOnly(group) },
    code,
  );
}

function whatOf({ filter }, texts, accountNames) {
  const { errcode = [], code = [], class: classes = [], kind = [], account = [] } = filter;
  // An errcode is more specific than a code.
  const causes = errcode.length > 0 ? errcode : [...code, ...classes];
  const kinds = kind.map((name) => texts[name] ?? name);
  const accounts = account.map((id) => accountNames.get(id) ?? id);
  return [...causes, ...kinds, ...accounts].join(' · ') || texts.everything;
}

function progressText({ state, done, skipped, total }, locale) {
  const { texts } = locale;
  const format = { running: texts.redriving, stopped: texts.redriveStopped, done: texts.redriveDone }[state];
  const text = format(locale.number(done), locale.number(total));
  return skipped > 0 ? `${text} ${texts.redriveSkipped(locale.number(skipped))}` : text;
}

/** Shows the redrives that run or have just ended. `stop` is undefined if the user may not stop them. */
export function showRedrives(list, redrives, locale, accountNames, { stop }) {
  const { texts } = locale;
  const shown = redrives.filter(
    ({ state, endedAt }) => state === 'running' || Date.parse(endedAt) > Date.now() - SHOWN_MS,
  );
  list.hidden = shown.length === 0;
  reconcile(list, shown, {
    key: (one) => one.id,
    version: (one) => JSON.stringify([locale.language, one.state, accountNames.size]),
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
            el('strong', {}, whatOf(one, texts, accountNames)),
            ' – ',
            el('span', { role: 'status' }),
          ),
          el(
            'p',
            { class: 'hint' },
            texts.redriveBy(one.actor),
            one.reason ? ` · ${one.reason}` : '',
            ' · ',
            timeOf(one.askedAt, 'ago'),
          ),
        ),
        el('progress', { max: Math.max(1, one.total), 'aria-label': texts.progress }),
        stop && one.state === 'running'
          ? el(
              'button',
              { type: 'button', class: 'button', onclick: (event) => stop(one, event.currentTarget) },
              texts.stop,
            )
          : null,
      ),
    update: (child, one) => {
      setText(child.querySelector('[role=status]'), progressText(one, locale));
      // A redrive that is done counts as complete, also if items were skipped.
      child.querySelector('progress').value = one.state === 'done' ? Math.max(1, one.total) : one.done;
    },
  });
}

/**
 * Opens the dialog, which shows how many items match before the redrive is requested. `redrive(dryRun, reason)` rejects
 * if the request failed.
 */
export function openRedrive(dialog, title, locale, redrive) {
  const { texts } = locale;
  const count = el('p', { role: 'status' }, texts.counting);
  const reason = el('input', { id: 'redrive-reason', type: 'text', maxlength: 300, autocomplete: 'off' });
  const submit = el('button', { type: 'submit', class: 'primary', disabled: true }, texts.redrive);
  const showFailure = () => setText(count, texts.notDone);
  const form = el(
    'form',
    { method: 'dialog' },
    el('h2', { id: 'redrive-title' }, title),
    count,
    el('label', { for: 'redrive-reason' }, texts.reason),
    reason,
    el(
      'p',
      { class: 'choices' },
      el('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, texts.cancel),
      submit,
    ),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await redrive(false, reason.value.trim());
      dialog.close();
    } catch {
      showFailure();
      submit.disabled = false;
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
  redrive(true, '')
    .then(({ matched }) => {
      setText(count, texts.matched(locale.number(matched)));
      setText(submit, texts.redriveCount(locale.number(matched)));
      submit.disabled = matched === 0;
    })
    .catch(showFailure);
}
