/** Programs that ended because of an uncaught error: a supervisor starts them again, and their items have to wait. */
import type { Evidence } from './evidence.ts';

/** What the programs print before they exit, and what Node prints after an uncaught error. */
const CRASHED = /^\S+ failed unexpectedly: .*|^Node\.js v\d+\.\d+\.\d+$/gm;
const SHOWN = 300;

export function findCrashes({ texts }: Pick<Evidence, 'texts'>): string[] {
  const found: string[] = [];
  for (const { name, text } of texts()) {
    if (!name.startsWith('logs')) continue;
    for (const { index } of text.matchAll(CRASHED))
      found.push(`${name}: ${text.slice(index, index + SHOWN).replaceAll(/\s+/g, ' ')}`);
  }
  return found;
}
