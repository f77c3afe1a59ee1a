/** The one list of checks, in the order in which they are shown. How to add one: check.ts. */
import { ACCOUNT_CHECKS } from './accounts.ts';
import type { Check } from './check.ts';
import { INFRASTRUCTURE_CHECKS } from './infrastructure.ts';
import { MEDIA_CHECKS } from './media.ts';
import { PROCESS_CHECKS } from './processes.ts';
import { STORE_CHECKS } from './store.ts';
import { WEBHOOK_CHECKS } from './webhooks.ts';

export const CHECKS = {
  ...INFRASTRUCTURE_CHECKS,
  ...STORE_CHECKS,
  ...PROCESS_CHECKS,
  ...ACCOUNT_CHECKS,
  ...MEDIA_CHECKS,
  ...WEBHOOK_CHECKS,
} as const satisfies Record<string, Check>;

export type CheckCode = keyof typeof CHECKS;
export const CHECK_CODES = Object.keys(CHECKS) as CheckCode[];
/** A newer release may have stored codes that are unknown here. */
export const isCheckCode = (code: string): code is CheckCode => Object.hasOwn(CHECKS, code);
export const checkOf = (code: CheckCode): Check => CHECKS[code];
