/** Runs the script against the service: sends the messages, then polls the rows until none is pending. */
import type { Account } from '../account.ts';
import { idOf } from '../media.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createCallbacks } from '../simulator/callbacks/callbacks.ts';
import { composeMessage, type Message } from '../simulator/callbacks/messages.ts';
import type { Simulator } from '../simulator/server.ts';
import type { RowWithLink } from './check.ts';
import type { ScriptItem } from './script.ts';
import type { DemoService } from './service.ts';

/** An item of the script with its message and the media id in it. */
export interface ComposedItem extends ScriptItem {
  readonly mediaId: string;
  readonly id: string;
  readonly composed: Message;
}

export interface DemoContext {
  readonly account: Account;
  readonly simulator: Simulator;
  readonly service: DemoService;
  readonly clock: Clock;
  readonly log: Log;
}

const POLL_MS = 500;
const PAGE_ROWS = 200;

export function composeItems(
  script: readonly ScriptItem[],
  { account, simulator }: Pick<DemoContext, 'account' | 'simulator'>,
): ComposedItem[] {
  return script.map((item) => {
    const composed = composeMessage(simulator, item.message);
    const mediaId = composed.mediaIds[0]!;
    return { ...item, composed, mediaId, id: idOf(account.account, mediaId) };
  });
}

/** Resolves with the number of references that the service accepted, repeats included. */
export async function sendItems(
  items: readonly ComposedItem[],
  context: DemoContext,
  signal: AbortSignal,
): Promise<number> {
  const { account, simulator, service, clock, log } = context;
  const url = `${service.url}/wechat/${account.account}`;
  const callbacks = createCallbacks({ account, url, clock, log, requestLog: simulator.requestLog });
  if (!(await callbacks.sendHandshake(signal))) throw new Error('the handshake of the callback URL failed');
  let accepted = 0;
  for (const { composed, twice = false, invalidateTokens } of items) {
    if (invalidateTokens) simulator.invalidateTokens(account.account);
    const delivery = await callbacks.send(composed, signal, { twice });
    accepted += delivery.accepted ? (twice ? 2 : 1) : 0;
  }
  return accepted;
}

/** Resolves with the rows of all messages sent since `from`, by id, with links. */
async function rowsSince(from: Date, { account, service }: DemoContext): Promise<Map<string, RowWithLink>> {
  const rows = new Map<string, RowWithLink>();
  const query = new URLSearchParams({
    account: account.account,
    sentFrom: from.toISOString(),
    include: 'link',
    limit: String(PAGE_ROWS),
  });
  for (;;) {
    const page = await service.get<{ items: RowWithLink[]; nextCursor: string | null }>(`/v1/media?${query}`);
    for (const row of page.items) rows.set(row.id, row);
    if (!page.nextCursor) return rows;
    query.set('cursor', page.nextCursor);
  }
}

/**
 * Resolves with the rows once no item is pending, or once the signal has aborted. `onPoll` receives the rows of each
 * poll. Rejects when the service exits.
 */
export async function waitUntilFinished(
  items: readonly ComposedItem[],
  from: Date,
  context: DemoContext,
  onPoll: (rows: ReadonlyMap<string, RowWithLink>) => void,
  signal: AbortSignal,
): Promise<Map<string, RowWithLink>> {
  const { clock, service } = context;
  for (;;) {
    const rows = await rowsSince(from, context);
    onPoll(rows);
    if (items.every(({ id }) => (rows.get(id)?.status ?? 'pending') !== 'pending')) return rows;
    if (signal.aborted) return rows;
    await Promise.race([clock.sleep(POLL_MS, signal).catch(() => undefined), service.ended]);
  }
}
