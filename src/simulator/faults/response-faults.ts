/**
 * The ways in which an answer of media/get misbehaves, as a table: a row is a name of media-id.ts and what it plays
 * instead of the file. Whoever needs another way adds a name there and a row in one of these lists.
 */

import type { Behaviour, BehaviourName } from '../media/media-id.ts';
import { BODY_ROWS } from './body-faults.ts';
import { REFUSAL_ROWS } from './errcode-faults.ts';
import type { Row } from './fault-context.ts';
import { HEADER_ROWS } from './header-faults.ts';
import { LINK_ROWS } from './link-faults.ts';
import { TEXT_ROWS } from './text-faults.ts';

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
