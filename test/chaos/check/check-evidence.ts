/**
 * Checks the evidence: from files alone to one cell for each way of breaking the promise. Imports nothing of the code under
 * test, not even how an id is made; a test keeps it so.
 */
import { createHash } from 'node:crypto';
import { acceptedOf } from './accepted.ts';
import { findCrashes } from './crashes.ts';
import type { Evidence } from './evidence.ts';
import type { Findings } from './findings.ts';
import { checkObjects } from './objects.ts';
import { checkOutcomes } from './outcomes.ts';
import { findSecrets } from './secrets.ts';

/** As the API documents it: m_ and the first 32 hex digits of sha256(account, NUL, media id). */
export const idOf = (account: string, mediaId: string): string =>
  `m_${createHash('sha256').update(`${account}\0${mediaId}`).digest('hex').slice(0, 32)}`;

function neverAccepted(evidence: Evidence): string[] {
  const rows = new Set(evidence.rows.map(({ id }) => id));
  return [...acceptedOf(evidence).values()]
    .map(({ account, mediaId, at }) => ({ id: idOf(account, mediaId), at }))
    .filter(({ id }) => !rows.has(id))
    .map(({ id, at }) => `${id}: response success at ${new Date(at).toISOString()}, no row`);
}

export function checkEvidence(evidence: Evidence): Findings {
  return {
    ...(evidence.run.way === 'product' && { 'answered, never accepted': neverAccepted(evidence) }),
    ...checkObjects(evidence),
    ...checkOutcomes(evidence),
    'secrets found': findSecrets(evidence),
    'programs that crashed': findCrashes(evidence),
  };
}
