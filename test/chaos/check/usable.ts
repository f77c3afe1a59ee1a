/** For how long nothing kept an item from being archived. */
import type { Window } from '../actions.ts';
import type { AcceptedMedia } from './accepted.ts';

/** An item that had less of its life than this may expire. */
export const USABLE_SHARE = 0.1;

/**
 * Milliseconds from when it was accepted to when WeChat dropped it in which neither the store nor its account was in
 * such a fault. Kills of processes, of Redis and of Postgres do not count: those the service has to survive.
 */
export function usableMs(
  { account, at, sentAt }: AcceptedMedia,
  lifeMs: number,
  windows: readonly Window[],
): number {
  const to = sentAt + lifeMs;
  const closed = windows
    .filter(({ what, account: of }) => what === 'store' || (what === 'wechat' && of === account))
    .map((window) => ({ from: Math.max(at, window.from), to: Math.min(to, window.to) }))
    .filter((window) => window.to > window.from)
    .sort((a, b) => a.from - b.from);
  let usable = 0;
  let now = at;
  for (const window of closed) {
    usable += Math.max(0, window.from - now);
    now = Math.max(now, window.to);
  }
  return usable + Math.max(0, to - now);
}
