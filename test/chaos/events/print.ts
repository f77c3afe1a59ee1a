/** The outcome of a run: a row for each listener, and what is wrong. */
import type { PlayedEvents } from './play.ts';

const EXAMPLES = 5;
const HEADINGS = ['arrived', 'missing', 'twice', 'foreign', 'disordered', 'restored', 'p50 ms', 'p99 ms'];
const WIDTH = 12;

/** What is wrong, as sentences; empty when the promise held. */
export function faultsOf({ listeners, faults }: PlayedEvents): string[] {
  return [
    ...listeners.flatMap(({ name, missing, foreign, outOfOrder, isOrderRestored }) => [
      ...missing.map((event) => `${name} did not get ${event}`),
      ...foreign.map((event) => `${name} got ${event}, which is not in the table`),
      ...(outOfOrder > 0 ? [`${name} got ${outOfOrder} events behind later ones`] : []),
      ...(isOrderRestored ? [] : [`${name}: sorted by sequence, its events are not those of the table`]),
    ]),
    ...faults,
  ];
}

const listOf = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ×${count}`)
    .join(', ');

export function eventsTable(played: PlayedEvents): string {
  const cells = (texts: readonly (string | number)[]) =>
    texts.map((text) => String(text).padStart(WIDTH)).join('');
  const faults = faultsOf(played);
  return [
    `${played.events} events: ${listOf(played.byType)}`,
    `kills: ${listOf(played.kills)}; quiet ${played.quietAfterSeconds} s after the load`,
    `delays from at to the first arrival: of the first ${played.calmMs / 1000} s, before the first kill`,
    '',
    `${''.padEnd(16)}${cells(HEADINGS)}`,
    ...played.listeners.map(
      (one) =>
        one.name.padEnd(16) +
        cells([
          one.arrived,
          one.missing.length,
          one.duplicates,
          one.foreign.length,
          one.outOfOrder,
          one.isOrderRestored ? 'yes' : 'no',
          one.p50Ms,
          one.p99Ms,
        ]),
    ),
    ...(faults.length > 0 ? ['', `${faults.length} faults:`, ...faults.slice(0, 4 * EXAMPLES)] : []),
  ].join('\n');
}
