/** Which pending items are at risk: the same rule for statistics, checks and events. */

/** With less than this part of MEDIA_LIFETIME left: six hours of three days. */
export const AT_RISK_SHARE = 12;
/** An item that arrives late is near its deadline from the start, and is usually archived within seconds. */
export const KNOWN_MS = 5 * 60_000;
