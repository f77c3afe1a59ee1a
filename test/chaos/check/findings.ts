/** The ways in which the promise can be broken, as the cells of a table. */
export const CELLS = [
  'answered, never accepted',
  'accepted and lost',
  'archived with wrong bytes',
  'objects doubled or orphaned',
  'open multiparts',
  'rows stuck',
  'attempts spent in holds',
  'secrets found',
  'expired though usable',
  'programs that crashed',
] as const;
export type CellName = (typeof CELLS)[number];

/** Sentences, each with the id and what is wrong. Undefined: has no meaning for this way of archiving. */
export type Findings = Partial<Record<CellName, readonly string[]>>;

/** Only the cells that are not zero. */
export const brokenCells = (findings: Findings): Findings =>
  Object.fromEntries(CELLS.flatMap((cell) => (findings[cell]?.length ? [[cell, findings[cell]]] : [])));

export const isClean = (findings: Findings): boolean => Object.keys(brokenCells(findings)).length === 0;
