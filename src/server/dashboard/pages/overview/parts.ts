/** Workers and parts: which processes live, and whether each part of the service works. */
import type { RegisteredProcess } from '../../../../catalogue/processes/registry.ts';
import { panel, table, time } from '../../components/elements.ts';
import { ApiError, type Json } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { PageContext } from '../../core/page.ts';
import { OVERVIEW } from './texts.ts';

type Process = Json<Omit<RegisteredProcess, 'conditions'>> & {
  readonly conditions: readonly { readonly message: string }[];
};

interface Parts {
  readonly processes: readonly Process[];
  readonly components: Readonly<Record<string, { ok: boolean; codes?: readonly string[] }>>;
  readonly lastAlertAt: string | undefined;
}

interface Readiness {
  readonly checks: Parts['components'];
}

/** Undefined for a key that is bound to accounts: names of hosts and the state of the store are not for it. */
export async function readParts({ api, principal }: PageContext): Promise<Parts | undefined> {
  if (principal.accounts) return undefined;
  const [processes, { checks }, alerts] = await Promise.all([
    api.get<{ items: Process[] }>('/v1/processes'),
    api.get<Readiness>('/readyz').catch((error: unknown) => {
      // 503 with the same body: no callback can be made durable.
      if (error instanceof ApiError && 'checks' in error.problem)
        return error.problem as unknown as Readiness;
      throw error;
    }),
    api.get<{ items: { since: string }[] }>('/v1/alerts', { limit: 1 }),
  ]);
  return { processes: processes.items, components: checks, lastAlertAt: alerts.items[0]?.since };
}

export function partsPanel(parts: Parts | undefined, locale: Locale): Html | undefined {
  if (!parts) return undefined;
  const t = locale.of(OVERVIEW);
  const processes = table(
    t.parts,
    [t.process, t.state, t.inHand, t.version, t.conditions],
    parts.processes.map(({ name, isAlive, heartbeatAt, inHand, version, conditions }) => [
      outside(name),
      // The time of a living process changes every few seconds and says no more than that it lives.
      isAlive
        ? html`<span class="chip" data-status="archived">${t.alive}</span>`
        : html`<span class="chip" data-status="dead">${t.gone}</span> ${time(locale, heartbeatAt)}`,
      locale.number(inHand),
      outside(version),
      conditions.map(({ message }) => html`<p class="hint">${outside(message)}</p>`),
    ]),
  );
  const components = html`<ul class="components">${Object.entries(parts.components).map(
    ([name, { ok, codes = [] }]) =>
      html`<li><span class="chip" data-status="${ok ? 'archived' : 'dead'}">${t.part_[name] ?? name}: ${ok ? t.ok : codes.join(', ')}</span></li>`,
  )}<li class="hint">${t.lastAlert}: ${parts.lastAlertAt ? time(locale, parts.lastAlertAt) : t.noAlert}</li></ul>`;
  return panel('parts', t.parts, html`${components}${processes}`);
}
