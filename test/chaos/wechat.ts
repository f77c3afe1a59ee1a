/**
 * The stand-in for WeChat, spoken to over its admin routes alone: the simulator of this project, or a foreign one that
 * answers the same (docs/reliability.md lists them).
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

/** Three tries of five seconds and their pauses, twice. */
const SEND_LIMIT_MS = 100_000;
const ASK_LIMIT_MS = 60_000;
const TRIES = 3;

export function createWechat(url: string) {
  async function ask<Answer>(method: string, path: string, body?: unknown, limitMs = ASK_LIMIT_MS) {
    const request = () =>
      fetch(`${url}/__simulator/${path}`, {
        method,
        signal: AbortSignal.timeout(limitMs),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
    // An idle connection may be closed at the other end just as it is used again, and a machine may be very busy.
    let answer: Response | undefined;
    for (let tries = 1; !answer; tries++) {
      answer = await request().catch((error) => {
        if (tries === TRIES) throw new Error(`${method} ${path} at the stand-in: ${error}`, { cause: error });
        return undefined;
      });
    }
    if (!answer.ok)
      throw new Error(`${method} ${path} was answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Answer;
  }

  return {
    url,
    names: () => ask('GET', 'names'),
    ledger: () => ask<Record<string, unknown>>('GET', 'request-log'),
    digest: (account: string, mediaId: string) =>
      ask<{ sha256: string; sizeBytes: number }>(
        'GET',
        `digest?account=${encodeURIComponent(account)}&media_id=${encodeURIComponent(mediaId)}`,
      ),
    send: (account: string, to: string, wish: Wish & { sentAt: string }, how: string) =>
      ask<Sent>('POST', 'send', { account, url: to, messages: [wish], pattern: how }, SEND_LIMIT_MS),
    trouble: (account: string, name: string, amount?: number) =>
      ask('POST', 'account-fault', { account, name, ...(amount !== undefined && { amount }) }),
    heal: (account: string, name: string) => ask('POST', 'end-account-fault', { account, name }),
    /** Undefined: an end to it. */
    misbehave: (account: string, name?: string, amount?: number) =>
      ask('POST', 'account-wide-fault', {
        account,
        ...(name && { fault: { name, ...(amount !== undefined && { amount }) } }),
      }),
    midnight: (account: string) => ask('POST', 'reset-quotas', { account }),
    invalidateToken: (account: string) => ask('POST', 'invalidate-token', { account }),
  };
}
