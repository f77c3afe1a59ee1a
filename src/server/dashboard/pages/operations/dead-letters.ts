/** /dead-letters: what failed for good, by account and cause, with the cure; and the redrives. */
import { empty, link, panel, problemBox, time } from '../../components/elements.ts';
import { actionButton, actionLink } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { accountNames } from '../acts/filter-body.ts';
import { redriveList } from '../acts/redrives.ts';
import type { DeadLetterGroup, Redrive } from '../acts/types.ts';
import { OPERATIONS } from './texts.ts';

const PATH = '/dead-letters';

function groupRow(group: DeadLetterGroup, page: PageContext): Html {
  const { locale } = page;
  const t = locale.of(OPERATIONS);
  const { account, errcode, code, count, message, advice, firstAt, lastAt } = group;
  const cause = errcode ?? code;
  // The list of media items knows no filter for failures without an errcode.
  const filter = { status: 'dead', account, errcode };
  const redrive = addressOf('/redrive', { ...filter, ...(errcode === undefined ? { code } : {}) });
  return html`<li class="row">
<h3><code>${outside(cause)}</code> ${t.items(locale.number(count))}</h3>
<p>${outside(message)}</p>
<p class="hint">${outside(advice)}</p>
<p class="facts">${time(locale, firstAt)} – ${time(locale, lastAt)}</p>
<div class="actions">${page.may('admin') && actionLink(redrive, t.redriveThese, cause)} ${actionLink(addressOf('/media', filter), errcode === undefined ? t.showAll : t.show, cause)}</div>
</li>`;
}

function accountPanel(
  account: string,
  groups: readonly DeadLetterGroup[],
  page: PageContext,
  names: ReadonlyMap<string, string>,
): Html {
  const t = page.locale.of(OPERATIONS);
  const name = names.get(account) ?? account;
  const buttons =
    page.may('admin') &&
    html`<div class="actions">${actionLink(addressOf('/redrive', { status: 'dead', account }), t.redriveAll, name)} ${actionButton(`${PATH}/acknowledge`, t.seen, { about: name, fields: { account } })}</div>`;
  return panel(
    `account-${account}`,
    name,
    html`<ul class="rows">${groups.map((group) => groupRow(group, page))}</ul>`,
    { aside: buttons },
  );
}

async function render(page: PageContext, error?: ApiError): Promise<PageContent> {
  const { api, locale } = page;
  const t = locale.of(OPERATIONS);
  const [{ groups }, { items: redrives }, names] = await Promise.all([
    api.get<{ groups: readonly DeadLetterGroup[] }>('/v1/dead-letters'),
    api.get<{ items: readonly Redrive[] }>('/v1/redrives'),
    accountNames(page),
  ]);
  const byAccount = Map.groupBy(groups, ({ account }) => account);
  return {
    title: t.deadLetters,
    section: PATH,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
<div class="lead"><p>${t.deadLettersWhat}</p><p class="hint">${t.seenHint}</p></div>
${groups.length === 0 && empty(t.noDeadLetters)}
${[...byAccount].map(([account, ofAccount]) => accountPanel(account, ofAccount, page, names))}
${panel('redrives', t.redrives, redriveList(redrives, page, names), { aside: link('/erasures', t.erasures) })}`,
  };
}

export const deadLettersPage = (page: PageContext): Promise<PageContent> => render(page);

/** Says that what failed for good has been seen. */
export async function acknowledgeDead(page: PageContext): Promise<PageContent | Redirect> {
  const account = page.form.get('account') ?? '';
  return orExplain(
    async () => {
      await page.api.send('POST', '/v1/acknowledgements', { status: 'dead', account });
      return { redirect: PATH, notice: notice('acknowledged') };
    },
    (error) => render(page, error),
  );
}
