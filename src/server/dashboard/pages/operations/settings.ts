/** /settings: language and time zone of this browser, what is configured, the store, and verifications. */
import { code, type Fact, facts, link, panel, problemBox, table } from '../../components/elements.ts';
import { actionButton, type Choice, selectField, textField } from '../../components/forms.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import { DEFAULT_TIME_ZONE, type Locale, offsetOf } from '../../core/locale.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { isOperator } from './alerts.ts';
import { SETTINGS } from './settings-texts.ts';
import type { DoctorReport, Setting, Store, Verification } from './types.ts';
import {
  requestVerification,
  type TypedVerification,
  verificationAddress,
  verificationForm,
  verificationTable,
} from './verifications.ts';

const PATH = '/settings';
/** Those where users of WeChat and their operators are; every other one can be typed. */
const COMMON_ZONES = [
  DEFAULT_TIME_ZONE,
  'Asia/Hong_Kong',
  'Asia/Taipei',
  'Asia/Singapore',
  'Asia/Tokyo',
  'Asia/Seoul',
  'Asia/Dubai',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Los_Angeles',
  'Australia/Sydney',
  'UTC',
] as const;

function preferences(page: PageContext): Html {
  const { locale, query } = page;
  const t = locale.of(SETTINGS);
  // The form of a time zone that is unknown leads back here.
  const unknown = query.get('unknownZone')?.slice(0, 64);
  const zones = [...new Set<string>([...COMMON_ZONES, locale.timeZone])];
  const now = new Date();
  const choices = zones.map((zone): Choice => [zone, `${zone} (UTC${offsetOf(zone, now)})`]);
  return panel(
    'preferences',
    t.preferences,
    html`<p class="hint">${t.preferencesHint}</p>
<form method="post" action="/preferences" class="ask"><input type="hidden" name="next" value="${PATH}">
${selectField(
  'language',
  t.language,
  [
    ['en', 'English'],
    ['zh', '中文'],
  ],
  { value: locale.language },
)}
${selectField('timeZone', t.timeZone, choices, { value: locale.timeZone, hint: t.timeZoneHint })}
${textField('otherTimeZone', t.otherZone, {
  value: unknown,
  hint: t.otherZoneHint,
  mistake: unknown === undefined ? undefined : t.unknownZone,
  attributes: { maxlength: 64 },
})}
<p><button type="submit" class="primary">${t.save}</button></p>
</form>`,
  );
}

function keyPanel({ principal, locale }: PageContext): Html {
  const t = locale.of(SETTINGS);
  return panel(
    'key',
    t.key,
    facts(locale, [
      { name: t.keyName, value: outside(principal.name) },
      { name: t.scopes, value: principal.scopes.join(', ') },
      { name: t.accounts, value: principal.accounts?.join(', ') ?? t.allAccounts },
    ]),
  );
}

function shownValue({ value, isSet, isSecret }: Setting, locale: Locale): Html | string {
  const t = locale.of(SETTINGS);
  // Of an address with a secret the server is shown.
  if (value !== undefined && value !== '')
    return html`<code>${outside(value.replaceAll('`', ''))}</code> <span class="hint">${isSet ? t.isSet : t.isDefault}</span>`;
  return isSecret && isSet ? t.secretSet : t.notSet;
}

/** Text of the documentation, in which code is between backticks. It exists in English. */
const described = (text: string): Html =>
  html`<span lang="en">${text.split('`').map((part, index) => (index % 2 === 1 ? code(part) : part))}</span>`;

function settingsPanel(items: readonly Setting[], locale: Locale): Html {
  const t = locale.of(SETTINGS);
  const sections = Map.groupBy(items, ({ section }) => section);
  const tables = [...sections].map(([section, settings]) => {
    const rows = settings.map((setting) => [
      html`<code>${setting.variable}</code>`,
      shownValue(setting, locale),
      described(setting.description),
    ]);
    return html`<h3 lang="en">${section}</h3>${table(`${t.settings}: ${section}`, [t.variable, t.value, t.meaning], rows)}`;
  });
  return panel('settings', t.settings, html`<p class="hint">${t.settingsHint}</p>${tables}`);
}

function doctorTable({ checks }: DoctorReport, locale: Locale): Html {
  const t = locale.of(SETTINGS);
  const rows = checks.map(({ name, ok, message, advice }) => [
    outside(name),
    html`<span class="chip" data-status="${ok ? 'archived' : 'dead'}">${ok ? t.ok : t.toMend}</span>`,
    html`${outside(message)}${advice !== undefined && html` <span class="hint">${outside(advice)}</span>`}`,
  ]);
  return html`<h3 id="test-result">${t.testResult}</h3>${table(t.testResult, [t.check, t.state, t.result], rows)}`;
}

function storePanel(store: Store, page: PageContext, report: DoctorReport | undefined): Html {
  const { locale } = page;
  const t = locale.of(SETTINGS);
  const list = store.items.flatMap(({ bucket, embedded, failure }): Fact[] => [
    { name: t.bucket, value: code(bucket) },
    { name: t.kind, value: embedded ? t.embedded : t.external },
    {
      name: t.state,
      value: failure
        ? html`${outside(failure.message)} <span class="hint">${outside(failure.advice)}</span>`
        : t.works,
    },
  ]);
  const held = store.hold && html`<p class="notice bad">${link('/alerts#store-hold', t.held)}</p>`;
  const test =
    isOperator(page) &&
    html`<div class="actions">${actionButton(`${PATH}/test-store`, t.testStore)} <span class="hint">${t.testHint}</span></div>`;
  return panel(
    'store',
    t.store,
    html`${held}${facts(locale, list)}${test}${report && doctorTable(report, locale)}`,
  );
}

interface Given {
  readonly report?: DoctorReport;
  readonly typed?: TypedVerification;
  readonly error?: ApiError;
}

/** The parts that concern the whole service; a key bound to accounts sees none of them. */
async function serviceParts(page: PageContext, { report, typed }: Given): Promise<Html | undefined> {
  const { api, locale } = page;
  const t = locale.of(SETTINGS);
  if (page.principal.accounts !== undefined) return undefined;
  const [store, verifications, settings] = await Promise.all([
    api.get<Store>('/v1/store'),
    api.get<{ items: readonly Verification[] }>('/v1/verifications'),
    isOperator(page) ? api.get<{ items: readonly Setting[] }>('/v1/settings') : undefined,
  ]);
  const form = isOperator(page) && verificationForm(locale, typed);
  return html`${storePanel(store, page, report)}
${panel('verifications', t.verifications, html`<p class="hint">${t.verificationsHint}</p>${verificationTable(verifications.items, locale)}${form}`)}
${settings && settingsPanel(settings.items, locale)}`;
}

async function render(page: PageContext, given: Given = {}): Promise<PageContent> {
  const { error } = given;
  return {
    title: page.locale.of(SETTINGS).title,
    section: PATH,
    isLive: false,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
${preferences(page)}
${keyPanel(page)}
${await serviceParts(page, given)}`,
  };
}

export const settingsPage = (page: PageContext): Promise<PageContent> => render(page);

/** The result is the response itself: it is a table, and nothing has changed. */
export const testStore = (page: PageContext): Promise<PageContent> =>
  orExplain(
    async () => render(page, { report: await page.api.send<DoctorReport>('POST', '/v1/doctor') }),
    (error) => render(page, { error }),
  );

export async function startVerification(page: PageContext): Promise<PageContent | Redirect> {
  const field = (name: string) => page.form.get(name) ?? '';
  const typed = { what: field('what'), sample: field('sample'), reason: field('reason') };
  return orExplain(
    async () => ({ redirect: verificationAddress(await requestVerification(page, typed)) }),
    (error) => render(page, { typed, error }),
  );
}
