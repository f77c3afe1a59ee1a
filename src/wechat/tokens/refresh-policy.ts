/** Decides when a refused access token is replaced. All functions are pure. */

/** Refusals of a token within this time are counted together. */
export const CONFLICT_WINDOW_MS = 10 * 60_000;
/** After this many replacements that did not help, the account is held: another program is refreshing its token. */
export const CONFLICT_LIMIT = 3;
/** Shortest time between two requests for a refused token, over all processes. */
export const REQUEST_PAUSE_MS = 5_000;
/** {@link CONFLICT_LIMIT} tokens refused early within this time mean that another program refreshes them. */
export const EARLY_REFUSAL_WINDOW_MS = 60 * 60_000;
/** Where each request issues a new token (/cgi-bin/token), a token is not replaced in its first minute. */
export const REFRESH_PAUSE_MS = 60_000;
/** WeCom blocks callers that request tokens often. */
export const GETTOKEN_PAUSE_MS = 30_000;
/** Tokens are renewed this long before they expire: from then on stable_token returns the next token. */
export const MARGIN_MS = 5 * 60_000;

export type RefusedTokenCure =
  /** Another process has already replaced the token: repeat the call at once with the stored one. */
  | { readonly do: 'use_stored' }
  | { readonly do: 'request' }
  /** WeChat issued or confirmed the token a moment ago: in a burst of calls it also returns 40001 for valid tokens. */
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'conflict' };

/**
 * Decides what to do about a token that WeChat refused. Large SDKs refresh at once and so invalidate each other's
 * tokens; careful ones do not replace a token in its first minute. A request to stable_token in normal mode does not
 * invalidate a valid token, but returns the same one. Such a request is therefore sent soon, so that an invalidated
 * token is replaced within seconds. `stored.issuedAt`, the last time that WeChat returned this token to any process,
 * limits all processes together to one request per pause.
 */
export function decideOnRefusedToken(situation: {
  usedFingerprint: string;
  stored: { readonly fingerprint: string; readonly issuedAt: Date } | undefined;
  /** Replacements within {@link CONFLICT_WINDOW_MS} after which no call has succeeded. */
  unhelpfulReplacements: number;
  now: Date;
  pauseMs: number;
}): RefusedTokenCure {
  const { stored, now, pauseMs } = situation;
  if (stored && stored.fingerprint !== situation.usedFingerprint) return { do: 'use_stored' };
  if (situation.unhelpfulReplacements >= CONFLICT_LIMIT) return { do: 'conflict' };
  const ageMs = stored ? now.getTime() - stored.issuedAt.getTime() : Number.POSITIVE_INFINITY;
  // If the clock of another process is ahead, the wait must still not be longer than the pause.
  if (ageMs < pauseMs) return { do: 'wait', ms: Math.min(pauseMs, pauseMs - ageMs) };
  return { do: 'request' };
}

/** Whether a token can be used for a call that begins now. The margin is at most half of the token's life. */
export function isFresh(
  token: { readonly issuedAt: Date; readonly expiresAt: Date },
  now: Date,
  marginMs: number,
): boolean {
  const lifeMs = token.expiresAt.getTime() - token.issuedAt.getTime();
  return now.getTime() < token.expiresAt.getTime() - Math.min(marginMs, lifeMs / 2);
}
