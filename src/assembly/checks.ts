/** Asking the parts behind whether they answer, for /readyz: bounded in time, and seldom, however often one asks. */

export interface Check {
  readonly ok: boolean;
  readonly reason?: string;
}

export const CHECK_MS = 2_000;

/** The answer within 2 s, or that there was none. Never rejects. */
export async function check(name: string, probe: () => Promise<unknown>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Check>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, reason: `${name} did not answer in time` }), CHECK_MS);
  });
  const answer = probe().then(
    (): Check => ({ ok: true }),
    (): Check => ({ ok: false, reason: `${name} does not answer` }),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const LOOK_EVERY_MS = 1_000;

/** Whoever asks is not known to us: the parts behind are asked once a second. `look` never rejects. */
export function seldom<T>(look: () => Promise<T>): () => Promise<T> {
  let last: { atMs: number; answer: Promise<T> } | undefined;
  return () => {
    if (!last || performance.now() - last.atMs > LOOK_EVERY_MS)
      last = { atMs: performance.now(), answer: look() };
    return last.answer;
  };
}
