/**
 * `--import`ed into the service's processes: rewrites pieces of its sources as they are loaded. Throws where a piece
 * is no longer there, so that no sabotage quietly becomes none; says on stderr what it has rewritten.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Rewrite, SABOTAGES, type SabotageMode } from './sabotage-modes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The text with every piece replaced; throws where one is missing. */
export function sabotaged(text: string, { file, text: piece, instead }: Rewrite): string {
  if (!text.includes(piece)) throw new Error(`sabotage: ${file} no longer contains: ${piece}`);
  return text.replaceAll(piece, instead);
}

const mode = process.env.CHAOS_SABOTAGE as SabotageMode | undefined;
if (mode) {
  const rewrites: readonly Rewrite[] = SABOTAGES[mode];
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      const path = url.startsWith('file:') ? fileURLToPath(url) : '';
      const mine = rewrites.filter(({ file }) => path === `${ROOT}${file}`);
      if (mine.length === 0) return loaded;
      process.stderr.write(`sabotaged: ${mode} in ${mine.map(({ file }) => file).join(', ')}\n`);
      return { ...loaded, source: mine.reduce(sabotaged, String(loaded.source)) };
    },
  });
}
