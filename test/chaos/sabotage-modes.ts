/** The names of the sabotages; what each does is in sabotages.ts, which knows the product. */
export const SABOTAGE_MODES = [
  'answer-before-commit',
  'no-round-guard',
  'no-repair',
  'body-cut',
  'token-logged',
] as const;
export type SabotageMode = (typeof SABOTAGE_MODES)[number];
