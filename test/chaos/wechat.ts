/**
 * The stand-in for WeChat, spoken to over its admin routes alone: the simulator of this project, or a foreign one that
 * has the same routes (docs/reliability.md lists them).
 */
import type { Wish } from './script.ts';

/** An account as ACCOUNTS_FILE has it. */
export interface ChaosAccount {
  readonly account: string;
  readonly product: string;
  readonly appId?: string;
  readonly corpId?: string;
  readonly secret: string;
  readonly token: string;
  readonly encodingAesKey: string;
}

export interface Sent {
  readonly mediaIds: readonly (readonly string[])[];
  readonly deliveries: readonly { readonly accepted: boolean; readonly statuses: readonly number[] }[];
}

export type Wechat = ReturnType<typeof createWechat>;

/** Three attempts of five seconds and their pauses, twice. */
const SEND_LIMIT_MS = 100_000;
const ASK_LIMIT_MS = 60_000;
const ATTEMPTS = 3;

export function createWechat(url: string) {
  async function ask<Body>(method: string, path: string, body?: unknown, limitMs = ASK_LIMIT_MS) {
    const request = () =>
      fetch(`${url}/__simulator/${path}`, {
        method,
        signal: AbortSignal.timeout(limitMs),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
    // An idle connection may be closed at the other end just as it is used again, and a machine may be very busy.
    let response: Response | undefined;
    for (let attempts = 1; !response; attempts++) {
      response = await request().catch((error) => {
        if (attempts === ATTEMPTS)
          throw new Error(`${method} ${path} at the stand-in: ${error}`, { cause: error });
        return undefined;
      });
    }
    if (!response.ok)
      throw new Error(`${method} ${path} status ${response.status}: ${await response.text()}`);
    return (await response.json()) as Body;
  }

  return {
    url,
    names: () => ask('GET', 'names'),
    requestLog: () => ask<Record<string, unknown>>('GET', 'request-log'),
    digest: (account: string, mediaId: string) =>
      ask<{ sha256: string; sizeBytes: number }>(
        'GET',
        `digest?account=${encodeURIComponent(account)}&media_id=${encodeURIComponent(mediaId)}`,
      ),
    send: (account: string, to: string, wish: Wish & { sentAt: string }, how: string) =>
      ask<Sent>('POST', 'send', { account, url: to, messages: [wish], pattern: how }, SEND_LIMIT_MS),
    accountFault: (account: string, name: string, amount?: number) =>
      ask('POST', 'account-fault', { account, name, ...(amount !== undefined && { amount }) }),
    endAccountFault: (account: string, name: string) => ask('POST', 'end-account-fault', { account, name }),
    /** Without a name: ends the fault. */
    accountWideFault: (account: string, name?: string, amount?: number) =>
      ask('POST', 'account-wide-fault', {
        account,
        ...(name && { fault: { name, ...(amount !== undefined && { amount }) } }),
      }),
    resetQuotas: (account: string) => ask('POST', 'reset-quotas', { account }),
    invalidateToken: (account: string) => ask('POST', 'invalidate-token', { account }),
  };
}
