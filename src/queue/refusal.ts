/** A queue that answers and takes no jobs. */

/** `code`: the first word of Redis' response (OOM, READONLY, NOPERM, …) or the SQLSTATE. No other text of theirs. */
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
/** `ERR` says nothing; `LOADING` passes by itself and counts as away. */
const REDIS_CODE =
  /^(OOM|READONLY|NOPERM|NOAUTH|WRONGPASS|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|WRONGTYPE)\b/;

export function asRefusal(error: unknown): QueueRefusedError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && SQLSTATE.test(code)) return new QueueRefusedError(code, error);
  const word = REDIS_CODE.exec(error.message)?.[1];
  return word ? new QueueRefusedError(word, error) : undefined;
}
