/** /webhooks: the endpoints; and the forms that create and change one. */
import { EVENT_TYPES } from '../../../../event.ts';
import { empty, link, panel, problemBox, table } from '../../components/elements.ts';
import { actionLink, formEnd, textField } from '../../components/forms.ts';
import type { ApiError } from '../../core/api.ts';
import { attributes, type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { secretPage } from './secret.ts';
import { WEBHOOKS } from './texts.ts';
import type { Endpoint, TypedEndpoint, WithSecret } from './types.ts';

export const PATH = '/webhooks';
export const endpointPath = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

const TONES = { active: 'archived', failing: 'expired', disabled: 'dead' } as const;
type State = keyof typeof TONES;

export function stateChip({ state }: Endpoint, locale: Locale): Html {
  const known = state as State;
  return html`<span class="chip" data-status="${TONES[known]}">${locale.of(WEBHOOKS).states[known]}</span>`;
}

/** The host says which endpoint it is; the whole address is on its page. */
export const hostOf = ({ url }: Endpoint): string => URL.parse(url)?.host ?? url;

export async function webhooksPage(page: PageContext): Promise<PageContent> {
  const { api, locale } = page;
  const t = locale.of(WEBHOOKS);
  const { items } = await api.get<{ items: readonly Endpoint[] }>('/v1/webhooks');
  const rows = items.map((one) => [
    html`${link(endpointPath(one.id), outside(hostOf(one)))}${one.description && html`<br><span class="hint">${outside(one.description)}</span>`}`,
    stateChip(one, locale),
    locale.number(one.pending),
    one.types === null ? t.every : one.types.join(', '),
    one.accounts === null ? t.every : outside(one.accounts.join(', ')),
  ]);
  return {
    title: t.title,
    section: PATH,
    main: html`${panel(
      'endpoints',
      t.title,
      html`<p class="hint">${t.intro}</p>${rows.length === 0 ? empty(t.none) : table(t.title, [t.endpoint, t.state, t.pending, t.types, t.accounts], rows)}`,
      { aside: page.may('admin') && actionLink(`${PATH}/new`, t.create, t.endpoint) },
    )}`,
  };
}

function choices(
  name: string,
  legend: string,
  hint: string,
  all: readonly (readonly [value: string, text: string])[],
  chosen: readonly string[],
): Html {
  return html`<fieldset class="radios"><legend>${legend}</legend><p class="hint">${hint}</p>${all.map(
    ([value, text]) =>
      html`<div><label><input type="checkbox" name="${name}" value="${value}"${attributes({ checked: chosen.includes(value) })}> ${outside(text)}</label></div>`,
  )}</fieldset>`;
}

async function form(
  page: PageContext,
  typed: TypedEndpoint,
  where: { title: string; action: string; back: string; submit: string },
  error?: ApiError,
): Promise<PageContent> {
  const { api, locale } = page;
  const t = locale.of(WEBHOOKS);
  const { items: accounts } = await api.get<{ items: readonly { account: string; name?: string }[] }>(
    '/v1/accounts',
  );
  const mistake = error?.problem.errors?.find(({ field }) => field === 'url')?.message;
  return {
    title: where.title,
    section: PATH,
    isLive: false,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
<form method="post" action="${where.action}" class="panel ask">
${textField('url', t.address, { value: typed.url, hint: t.addressHint, mistake, attributes: { type: 'url', maxlength: 2048, required: true } })}
${textField('description', t.description, { value: typed.description, attributes: { maxlength: 200 } })}
${choices(
  'types',
  t.types,
  t.typesHint,
  EVENT_TYPES.map((type) => [type, type]),
  typed.types,
)}
${choices(
  'accounts',
  t.accounts,
  t.accountsHint,
  accounts.map(({ account, name }) => [account, name ?? account]),
  typed.accounts,
)}
${formEnd(locale, where.submit, where.back)}
</form>`,
  };
}

const typedOf = ({ form: fields }: PageContext): TypedEndpoint => ({
  url: fields.get('url')?.trim() ?? '',
  description: fields.get('description')?.trim() ?? '',
  types: fields.getAll('types'),
  accounts: fields.getAll('accounts'),
});

const bodyOf = ({ url, description, types, accounts }: TypedEndpoint) => ({
  url,
  description: description === '' ? null : description,
  types: types.length === 0 ? null : types,
  accounts: accounts.length === 0 ? null : accounts,
});

const creating = ({ locale }: PageContext) => {
  const { create } = locale.of(WEBHOOKS);
  return { title: create, action: PATH, back: PATH, submit: create };
};

export const newWebhookPage = (page: PageContext): Promise<PageContent> =>
  form(page, { url: '', description: '', types: [], accounts: [] }, creating(page));

/** The response is a page and no redirect, because its secret is shown only once. */
export async function createWebhook(page: PageContext): Promise<PageContent> {
  const typed = typedOf(page);
  return orExplain(
    async () => secretPage(page, await page.api.send<WithSecret>('POST', '/v1/webhooks', bodyOf(typed))),
    (error) => form(page, typed, creating(page), error),
  );
}

const changing = ({ locale, params }: PageContext) => {
  const t = locale.of(WEBHOOKS);
  const path = endpointPath(params.id ?? '');
  return { title: t.endpoint, action: `${path}/change`, back: path, submit: t.save };
};

export async function changeWebhookPage(page: PageContext): Promise<PageContent> {
  const endpoint = await page.api.get<Endpoint>(`/v1${endpointPath(page.params.id ?? '')}`);
  const { url, description = '', types, accounts } = endpoint;
  return form(page, { url, description, types: types ?? [], accounts: accounts ?? [] }, changing(page));
}

export async function changeWebhook(page: PageContext): Promise<PageContent | Redirect> {
  const typed = typedOf(page);
  const path = endpointPath(page.params.id ?? '');
  return orExplain(
    async () => {
      await page.api.send('PATCH', `/v1${path}`, bodyOf(typed));
      return { redirect: path, notice: notice('saved') };
    },
    (error) => form(page, typed, changing(page), error),
  );
}
