/** /webhooks/{id}: an endpoint, what can be done with it, and its deliveries. */
import { DELIVERY_STATES } from '../../../../catalogue/webhooks/delivery-row.ts';
import {
  code,
  empty,
  type Fact,
  facts,
  link,
  panel,
  problemBox,
  table,
  time,
} from '../../components/elements.ts';
import { actionButton, actionLink, formEnd, selectField } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { endpointPath, hostOf, PATH, stateChip } from './list.ts';
import { secretPage } from './secret.ts';
import { WEBHOOKS } from './texts.ts';
import type { Delivery, Endpoint, Tested, WithSecret } from './types.ts';

const SHOWN = 50;
const REPLAY_HOURS = [1, 6, 24, 72, 168];
const TONES = { pending: 'pending', delivered: 'archived', failed: 'dead' } as const;

const idOf = ({ params }: PageContext): string => params.id ?? '';

function endpointFacts(endpoint: Endpoint, { locale }: PageContext): Html {
  const t = locale.of(WEBHOOKS);
  const { url, description, types, accounts, disabled, failingSince, lastSuccessAt, lastFailure } = endpoint;
  const { missed = 0, behind, previousSecretUntil } = endpoint;
  const list: (Fact | undefined | false)[] = [
    { name: t.address, value: code(url) },
    { name: t.description, value: description && outside(description) },
    { name: t.types, value: types === null ? t.every : types.join(', ') },
    { name: t.accounts, value: accounts === null ? t.every : outside(accounts.join(', ')) },
    disabled !== null && {
      name: t.disabled,
      value: html`${time(locale, disabled.at, false)} ${outside(disabled.message)}`,
    },
    failingSince !== undefined && { name: t.failingSince, value: time(locale, failingSince) },
    lastSuccessAt !== undefined && { name: t.lastSuccess, value: time(locale, lastSuccessAt) },
    lastFailure && {
      name: t.lastFailure,
      value: html`${time(locale, lastFailure.at)} ${lastFailure.status} ${outside(lastFailure.message)}`,
    },
    { name: t.pending, value: locale.number(endpoint.pending) },
    behind !== undefined && behind > 0 && { name: t.behind, value: locale.number(behind) },
    endpoint.hasMissed && {
      name: t.missed,
      value: html`${missed > 0 && locale.number(missed)} <span class="hint">${t.missedHint}</span>`,
    },
    previousSecretUntil !== undefined && {
      name: t.oldSecret,
      value: time(locale, previousSecretUntil, false),
    },
    {
      name: t.created,
      value: html`${time(locale, endpoint.createdAt, false)} ${outside(endpoint.createdBy)}`,
    },
  ];
  return html`${endpoint.isConfigured && html`<p class="hint">${t.configured}</p>`}${facts(locale, list)}`;
}

function actions({ id, isConfigured, disabled }: Endpoint, page: PageContext): Html | false {
  if (!page.may('admin')) return false;
  const t = page.locale.of(WEBHOOKS);
  const path = endpointPath(id);
  const enabling = disabled
    ? disabled.reason !== 'not_configured' && actionButton(`${path}/enable`, t.enable)
    : actionButton(`${path}/disable`, t.disable);
  const own =
    !isConfigured &&
    html`${actionButton(`${path}/rotate`, t.rotate)} ${actionLink(`${path}/change`, t.change, id)} ${actionLink(`${path}/delete`, t.delete, id, 'danger')}`;
  return html`<div class="actions">${actionButton(`${path}/test`, t.test)} ${enabling} ${own}</div>`;
}

function deliveryRow(delivery: Delivery, id: string, page: PageContext) {
  const { locale } = page;
  const t = locale.of(WEBHOOKS);
  const { event, state, attempts, status, message, dueAt, attemptedAt, isRunning } = delivery;
  const about = event.media
    ? link(`/media/${event.media}`, code(event.media))
    : event.account && outside(event.account);
  const result =
    attemptedAt === undefined
      ? ''
      : html`${time(locale, attemptedAt)} ${status} ${message && outside(message)}`;
  return [
    html`${event.type}<br><span class="hint">${time(locale, event.at)}</span>`,
    about,
    html`<span class="chip" data-status="${TONES[state]}">${isRunning ? t.running : t.deliveryStates[state]}</span>`,
    locale.number(attempts),
    result,
    state === 'pending' && !isRunning ? time(locale, dueAt) : '',
    page.may('admin') &&
      actionButton(`${endpointPath(id)}/resend`, t.resend, {
        about: `${event.type} ${delivery.id}`,
        fields: { delivery: String(delivery.id) },
      }),
  ];
}

async function deliveriesPanel({ id }: Endpoint, page: PageContext): Promise<Html> {
  const { api, locale, query } = page;
  const [t, words] = [locale.of(WEBHOOKS), locale.of(WORDS)];
  const chosen = DELIVERY_STATES.find((state) => state === query.get('state'));
  const cursor = query.get('cursor') ?? undefined;
  const { items, nextCursor } = await api.get<{ items: readonly Delivery[]; nextCursor: string | null }>(
    `/v1${endpointPath(id)}/deliveries`,
    { state: chosen, cursor, limit: SHOWN },
  );
  const states = [
    ['', words.all] as const,
    ...DELIVERY_STATES.map((one) => [one, t.deliveryStates[one]] as const),
  ];
  const filter = html`<form method="get" action="${endpointPath(id)}#deliveries" class="filter-form">${selectField('state', t.state, states, { value: chosen })}<p class="choices"><button type="submit" class="button">${t.show}</button></p></form>`;
  const heads = [t.event, t.about, t.state, t.attempts, t.result, t.next, t.action];
  const rows = items.map((one) => deliveryRow(one, id, page));
  const address = (more: string | undefined) =>
    `${addressOf(endpointPath(id), { state: chosen, cursor: more })}#deliveries`;
  const pager =
    (cursor !== undefined || nextCursor !== null) &&
    html`<nav class="pager" aria-label="${words.pages}">${cursor !== undefined && link(address(undefined), t.first, 'button')} ${nextCursor !== null && link(address(nextCursor), words.older, 'button')}</nav>`;
  return panel(
    'deliveries',
    t.deliveries,
    html`${filter}${rows.length === 0 ? empty(t.noDeliveries) : table(t.deliveries, page.may('admin') ? heads : heads.slice(0, -1), page.may('admin') ? rows : rows.map((row) => row.slice(0, -1)))}${pager}`,
  );
}

function replayPanel({ id }: Endpoint, page: PageContext): Html | false {
  if (!page.may('admin')) return false;
  const t = page.locale.of(WEBHOOKS);
  const hours = REPLAY_HOURS.map((n) => [String(n), t.hours(n)] as const);
  return panel(
    'replay',
    t.replay,
    html`<form method="post" action="${endpointPath(id)}/replay" class="filter-form">${selectField('hours', t.replayFrom, hours, { value: '1' })}<p class="choices"><button type="submit" class="button">${t.replayNow}</button></p></form>`,
  );
}

async function render(
  page: PageContext,
  { error, refused }: { error?: ApiError; refused?: string } = {},
): Promise<PageContent> {
  const endpoint = await page.api.get<Endpoint>(`/v1${endpointPath(idOf(page))}`);
  const deliveries = await deliveriesPanel(endpoint, page);
  const result = refused && html`<div class="notice bad" role="alert"><p>${outside(refused)}</p></div>`;
  const t = page.locale.of(WEBHOOKS);
  return {
    title: t.endpoint,
    section: PATH,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}${result}
<section class="panel" id="endpoint" aria-labelledby="endpoint-title">
<div class="panel-head"><h2 id="endpoint-title">${outside(hostOf(endpoint))} ${stateChip(endpoint, page.locale)}</h2>${link(PATH, t.title)}</div>
${endpointFacts(endpoint, page)}
${actions(endpoint, page)}
</section>
${deliveries}
${replayPanel(endpoint, page)}`,
  };
}

export const webhookPage = (page: PageContext): Promise<PageContent> => render(page);

/** Runs an action and leads back to the endpoint; what failed is said on top of its page. */
const act =
  (run: (page: PageContext, path: string) => Promise<Redirect | PageContent>) =>
  (page: PageContext): Promise<PageContent | Redirect> =>
    orExplain(
      () => run(page, endpointPath(idOf(page))),
      (error) => render(page, { error }),
    );

export const testWebhook = act(async (page, path) => {
  const { delivered, status, message = '' } = await page.api.send<Tested>('POST', `/v1${path}/test`);
  if (!delivered) return render(page, { refused: status === undefined ? message : `${status} ${message}` });
  return { redirect: path, notice: notice('webhookTested', status) };
});

export const rotateWebhook = act(async (page, path) =>
  secretPage(page, await page.api.send<WithSecret>('POST', `/v1${path}/rotate-secret`)),
);

const switched = (action: 'enable' | 'disable') =>
  act(async (page, path) => {
    await page.api.send('POST', `/v1${path}/${action}`);
    return { redirect: path, notice: notice('saved') };
  });
export const enableWebhook = switched('enable');
export const disableWebhook = switched('disable');

export const replayWebhook = act(async (page, path) => {
  const hours = Number(page.form.get('hours'));
  const from = new Date(Date.now() - (REPLAY_HOURS.includes(hours) ? hours : 1) * 3_600_000);
  const { made } = await page.api.send<{ made: number }>('POST', `/v1${path}/replay`, { from });
  return { redirect: `${path}#deliveries`, notice: notice('replayed', made) };
});

export const resendDelivery = act(async (page, path) => {
  const delivery = encodeURIComponent(page.form.get('delivery') ?? '0');
  await page.api.send('POST', `/v1${path}/deliveries/${delivery}/resend`);
  return { redirect: `${path}#deliveries`, notice: notice('replayed', 1) };
});

export async function deleteWebhookPage(page: PageContext): Promise<PageContent> {
  const endpoint = await page.api.get<Endpoint>(`/v1${endpointPath(idOf(page))}`);
  const t = page.locale.of(WEBHOOKS);
  const path = endpointPath(endpoint.id);
  return {
    title: t.deleteTitle,
    section: PATH,
    isLive: false,
    main: html`<form method="post" action="${path}/delete" class="panel ask"><p><strong>${outside(hostOf(endpoint))}</strong></p><p>${t.deleteHint}</p>${formEnd(page.locale, t.deleteNow, path, true)}</form>`,
  };
}

export const deleteWebhook = act(async (page, path) => {
  await page.api.send('DELETE', `/v1${path}`);
  return { redirect: PATH, notice: notice('saved') };
});
