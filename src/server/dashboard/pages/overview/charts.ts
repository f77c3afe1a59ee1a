/**
 * The history as charts. Each chart is drawn by charts.js from the table behind it, so that both show the same numbers;
 * without scripts the tables are there.
 */
import type { HistoryPoint as Point } from '../../../../catalogue/history/history.ts';
import { table, time } from '../../components/elements.ts';
import { addressOf } from '../../core/address.ts';
import type { Json } from '../../core/api.ts';
import { attributes, type Html, html } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import { OVERVIEW } from './texts.ts';

type HistoryPoint = Json<Point>;

export interface History {
  readonly stepSeconds: number;
  readonly points: readonly HistoryPoint[];
}

/** Each period with a step that gives 48 to 90 points. */
export const RANGES = {
  '1h': { from: '1h', step: '1m' },
  '24h': { from: '24h', step: '30m' },
  '7d': { from: '7d', step: '3h' },
  '90d': { from: '90d', step: '1d' },
} as const;

export type Range = keyof typeof RANGES;
export const isRange = (name: string | null): name is Range => name !== null && Object.hasOwn(RANGES, name);

const cell = (value: number, text: string): Html => html`<data value="${value}">${text}</data>`;

type Column = Exclude<keyof HistoryPoint, 'at'>;

function chart(
  id: string,
  title: string,
  columns: readonly Column[],
  history: History,
  locale: Locale,
): Html {
  const t = locale.of(OVERVIEW);
  const isSize = id === 'bytes';
  const names =
    columns.length > 1
      ? columns.map((name) => t[name as 'received' | 'archived' | 'dead' | 'expired'])
      : [title];
  const rows = history.points.map((point) => [
    time(locale, point.at, false),
    ...columns.map((name) =>
      cell(point[name], isSize ? locale.size(point[name]) : locale.number(point[name])),
    ),
  ]);
  return html`<figure class="chart" id="chart-${id}" data-columns="${columns.join(' ')}"${attributes({ 'data-size': isSize })}>
<figcaption>${title}</figcaption>
<div class="plot" data-keep aria-hidden="true"></div>
<details><summary>${t.table}</summary>${table(title, [t.at, ...names], rows)}</details>
</figure>`;
}

/** Whether the service keeps up: the sums of the period, and the backlog at its two ends. */
function sums({ points }: History, locale: Locale): Html {
  const t = locale.of(OVERVIEW);
  const sumOf = (column: Column) => points.reduce((total, point) => total + point[column], 0);
  const counts = (['received', 'archived', 'dead', 'expired'] as const).map((column) =>
    t.sums[column](locale.number(sumOf(column))),
  );
  const [first, last] = [points[0]?.backlog ?? 0, points.at(-1)?.backlog ?? 0];
  const backlog = t.sums.backlog(locale.number(first), locale.number(last));
  return html`<p class="sums">${[...counts, locale.size(sumOf('bytes')), backlog].join(' · ')}</p>`;
}

export function charts(history: History, range: Range, locale: Locale): Html {
  const t = locale.of(OVERVIEW);
  const links = (Object.keys(RANGES) as Range[]).map(
    (name) =>
      html`<a class="filter" href="${addressOf('/', { range: name === '24h' ? undefined : name })}"${attributes({ 'aria-current': name === range && 'true' })}>${t.ranges[name]}</a> `,
  );
  return html`<p class="views" role="group" aria-label="${t.range}">${links}</p>
${sums(history, locale)}
<div class="charts">
${chart('outcomes', t.outcomes, ['received', 'archived', 'dead', 'expired'], history, locale)}
${chart('backlog', t.backlogChart, ['backlog'], history, locale)}
${chart('bytes', t.bytes, ['bytes'], history, locale)}
</div>`;
}
