/** The options of `npm run test:chaos`. */
import { parseArgs } from 'node:util';
import { SABOTAGE_MODES, type SabotageMode } from './sabotage-modes.ts';
import { SHAPES, type Shape } from './script.ts';

export const USAGE = `Usage: npm run test:chaos -- [--minutes 2] [--seed 1] [--shape embedded|postgres|redis] [--json] [--keep] [--plan]
                           [--naive] [--sabotage ${SABOTAGE_MODES.join('|')}]
                           [--events 100000]
                           [--wechat-url http://127.0.0.1:9700 --accounts-file accounts.json]
docs/reliability.md describes what it does and what the table means.
`;

export interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly shape: Shape;
  readonly wechatUrl: string | undefined;
  readonly accountsFile: string | undefined;
  readonly json: boolean;
  readonly keep: boolean;
  /** Prints the script and does nothing. */
  readonly plan: boolean;
  readonly naive: boolean;
  readonly sabotage: SabotageMode | undefined;
  /** About so many events pass through webhooks and readers of the feed, instead of the run about archiving. */
  readonly events: number | undefined;
}

/** Throws with a sentence. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      shape: { type: 'string', default: 'redis' },
      'wechat-url': { type: 'string' },
      'accounts-file': { type: 'string' },
      sabotage: { type: 'string' },
      events: { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      plan: { type: 'boolean', default: false },
      naive: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  if (!(minutes > 0 && minutes <= 120)) throw new Error('--minutes must be more than 0 and at most 120');
  if (!Number.isInteger(seed) || seed < 0) throw new Error('--seed must be a whole number');
  const shape = SHAPES.find((one) => one === values.shape);
  if (!shape) throw new Error(`--shape must be one of ${SHAPES.join(', ')}`);
  const sabotage = SABOTAGE_MODES.find((mode) => mode === values.sabotage);
  if (values.sabotage !== undefined && !sabotage)
    throw new Error(`--sabotage must be one of ${SABOTAGE_MODES.join(', ')}`);
  const wechatUrl = values['wechat-url'];
  const accountsFile = values['accounts-file'];
  if (wechatUrl !== undefined && !URL.canParse(wechatUrl)) throw new Error('--wechat-url must be a URL');
  if ((wechatUrl === undefined) !== (accountsFile === undefined))
    throw new Error('--wechat-url and --accounts-file go together');
  const events = values.events === undefined ? undefined : Number(values.events);
  if (events !== undefined && !(Number.isInteger(events) && events >= 1_000 && events <= 1_000_000))
    throw new Error('--events must be a whole number from 1,000 to 1,000,000');
  const { json, keep, plan, naive } = values;
  return { minutes, seed, shape, sabotage, events, wechatUrl, accountsFile, json, keep, plan, naive };
}
