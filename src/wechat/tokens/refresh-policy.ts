/** When a refused access token is replaced. Pure: every argument is plain, nothing is asked or remembered. */

/** Refusals of a token within this time count together. */
export const CONFLICT_WINDOW_MS = 10 * 60_000;
/** So many replacements that did not help, and the account waits: somebody else is refreshing its token. */
export const CONFLICT_LIMIT = 3;
/** The fleet asks again for a refused token at most this often. */
export const REQUEST_PAUSE_MS = 5_000;
/** So many tokens that died early within this time are somebody else's doing, even where each replacement works. */
export const EARLY_REFUSAL_WINDOW_MS = 60 * 60_000;
/** Where asking is refreshing (/cgi-bin/token), a token is left alone in its first minute. */
export const REFRESH_PAUSE_MS = 60_000;
/** WeCom blocks who asks for tokens often. */
export const GETTOKEN_PAUSE_MS = 30_000;
/** Refresh ahead of the end: stable_token hands out the next token when less than this is left of the last. */
export const MARGIN_MS = 5 * 60_000;

export type RefusedTokenCure =
  /** Somebody has replaced it already: try with theirs, at once. */
  | { readonly do: 'use_shared' }
  | { readonly do: 'ask_again' }
  /** It was handed out or confirmed a moment ago: 40001 also comes with good tokens, under burst. */
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'conflict' };

/**
 * What to do about a token that WeChat refused. Large SDKs refresh at once and so chase each other; careful ones
 * leave a token alone in its first minute. Asking stable_token in normal mode is neither a refresh nor a theft: while
 * the token is valid the same one comes back. So it may be asked soon, which heals an invalidated token within
 * seconds, and `shared.issuedAt` – the last time the platform handed this token out, to any process – keeps the
 * whole fleet to one question per pause.
 */
export function decideOnRefusedToken(given: {
  usedFingerprint: string;
  stored: { readonly fingerprint: string; readonly issuedAt: Date } | undefined;
  /** Replacements within the window after which no call has succeeded. */
  unhelpful: number;
  now: Date;
  pauseMs: number;
}): RefusedTokenCure {
  const { stored: shared } = given;
  if (shared && shared.fingerprint !== given.usedFingerprint) return { do: 'use_shared' };
  if (given.unhelpful >= CONFLICT_LIMIT) return { do: 'conflict' };
  const ageMs = shared ? given.now.getTime() - shared.issuedAt.getTime() : Number.POSITIVE_INFINITY;
  // A clock that ran ahead elsewhere must not make the wait longer than the pause.
  if (ageMs < given.pauseMs) return { do: 'wait', ms: Math.min(given.pauseMs, given.pauseMs - ageMs) };
  return { do: 'ask_again' };
}

/** Whether a token is good for a request begun now. The margin shrinks for tokens that live only briefly. */
export function isFresh(
  token: { readonly issuedAt: Date; readonly expiresAt: Date },
  now: Date,
  marginMs: number,
): boolean {
  const lifeMs = token.expiresAt.getTime() - token.issuedAt.getTime();
  return now.getTime() < token.expiresAt.getTime() - Math.min(marginMs, lifeMs / 2);
}
