/**
 * The ways in which an answer of media/get misbehaves, as a table: a row is a name of media-id.ts and what it plays
 * instead of the file. Whoever needs another way adds a name there and a row in one of these lists.
 */
import { BODY_ROWS } from './body-rows.ts';
import type { Row } from './exchange.ts';
import { HEADER_ROWS } from './header-rows.ts';
import { LINK_ROWS } from './link-rows.ts';
import type { Behaviour, BehaviourName } from './media-id.ts';
import { REFUSAL_ROWS } from './refusal-rows.ts';
import { TEXT_ROWS } from './text-rows.ts';

export const BEHAVIOURS: Readonly<Record<BehaviourName, Row>> = {
  ...BODY_ROWS,
  ...HEADER_ROWS,
  ...REFUSAL_ROWS,
  ...LINK_ROWS,
  ...TEXT_ROWS,
};

/** What to play for this request: once its `times` are used up, a behaviour is over. */
export function behaviourNow(behaviour: Behaviour | undefined, tries: number): BehaviourName {
  if (!behaviour) return 'none';
  return behaviour.times && tries > behaviour.times ? 'none' : behaviour.name;
}
