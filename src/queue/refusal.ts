/** Errors of a queue that responds but accepts no jobs. */

/** `code`: the first word of Redis' response (OOM, READONLY, NOPERM, …) or the SQLSTATE; no other text of theirs. */
export class QueueRefusedError extends Error {
  override readonly name = 'QueueRefusedError';
  readonly code: string;
  constructor(code: string, cause: unknown) {
    super(`the queue refuses to write: ${code}`, { cause });
    this.code = code;
  }
}

/** Read-only, no right, no room, no such table, wrong password: the server was reached. */
const SQLSTATE = /^(25006|28...|3D000|3F000|42...|53[1-4]..)$/;
/** Without `ERR`, which names no cause, and `LOADING`, which ends without help and counts as unavailable. */
const REDIS_CODE =
  /^(OOM|READONLY|NOPERM|NOAUTH|WRONGPASS|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|WRONGTYPE)\b/;

/** Returns the refusal that `error` is, or undefined for any other error. */
export function asRefusal(error: unknown): QueueRefusedError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && SQLSTATE.test(code)) return new QueueRefusedError(code, error);
  const word = REDIS_CODE.exec(error.message)?.[1];
  return word ? new QueueRefusedError(word, error) : undefined;
}
