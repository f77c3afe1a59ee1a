/** Programs that ended because of an error nobody caught: a supervisor starts them again, and all in hand has to wait. */
import type { Evidence } from './evidence.ts';

/** What our programs say before they leave, and what Node says where nobody says anything. */
const FELL = /^\S+ failed unexpectedly: .*|^Node\.js v\d+\.\d+\.\d+$/gm;
const SHOWN = 300;

export function findCrashes({ texts }: Pick<Evidence, 'texts'>): string[] {
  const found: string[] = [];
  for (const { name, text } of texts()) {
    if (!name.startsWith('logs')) continue;
    for (const { index } of text.matchAll(FELL))
      found.push(`${name}: ${text.slice(index, index + SHOWN).replaceAll(/\s+/g, ' ')}`);
  }
  return found;
}
