/**
 * Ways of breaking the product on purpose: an exact piece of a file's text, and what stands there instead. Each must
 * turn a cell of the table, or the table would prove nothing.
 */
export interface Rewrite {
  /** Relative to the project. */
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

export const SABOTAGES = {
  /** Says `success` first and writes later: whoever dies in between has lost it. */
  'answer-before-commit': [
    {
      file: 'src/server/routes/callback.ts',
      text: 'await writeInTime(account, result);',
      instead: 'setTimeout(() => void write(account, result).catch(() => undefined), 5_000);',
    },
  ],
  /** An outcome counts whichever round it is of: a job that came back from the past decides. */
  'no-round-guard': [
    {
      file: 'src/catalogue/queue/outcomes.ts',
      text: ' AND generation = $2',
      instead: ' AND $2::integer IS NOT NULL',
    },
  ],
  /** Rows whose job is gone are not looked for. */
  'no-repair': [
    {
      file: 'src/pipeline/maintenance/sweeper.ts',
      text: "freed: await attempt('freeLost', freeLost, signal)",
      instead: 'freed: 0',
    },
  ],
  /** Bytes beyond the announced length are not noticed, so the announced part passes for the file. */
  'no-length-check': [
    {
      file: 'src/wechat/http/stream-get.ts',
      text: 'const excess = lengthBytes === undefined ? 0 : context.excessBytes(lengthBytes);',
      instead: 'const excess = 0 as number;',
    },
  ],
  /** A name that the log's scrubber does not know. */
  'token-logged': [
    {
      file: 'src/wechat/tokens/managed-tokens.ts',
      text: '{ account: account.account, fingerprint, replaces, expiresAt, written }',
      instead: '{ account: account.account, given: value, replaces, expiresAt, written }',
    },
  ],
} as const satisfies Record<string, readonly Rewrite[]>;

export type SabotageMode = keyof typeof SABOTAGES;
export const SABOTAGE_MODES = Object.keys(SABOTAGES) as readonly SabotageMode[];
