/** Plays the script against the running service: sends the messages, then watches the rows until all are settled. */
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

/** A scene with the media it got. */
export interface SentItem extends ScriptItem {
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

const LOOK_MS = 500;
const PAGE = 200;

export function composeItems(
  script: readonly ScriptItem[],
  stage: Pick<DemoContext, 'account' | 'simulator'>,
): SentItem[] {
  return script.map((scene) => {
    const composed = composeMessage(stage.simulator, scene.message);
    const mediaId = composed.mediaIds[0]!;
    return { ...scene, composed, mediaId, id: idOf(stage.account.account, mediaId) };
  });
}

/** Answers how many references the service accepted, repeats included. */
export async function sendItems(
  parts: readonly SentItem[],
  stage: DemoContext,
  signal: AbortSignal,
): Promise<number> {
  const { account, simulator, service, clock, log } = stage;
  const url = `${service.url}/wechat/${account.account}`;
  const callbacks = createCallbacks({ account, url, clock, log, requestLog: simulator.requestLog });
  if (!(await callbacks.sendHandshake(signal))) throw new Error('the handshake of the callback URL failed');
  let accepted = 0;
  for (const { composed: message, twice = false, invalidateTokens: killTokens } of parts) {
    if (killTokens) simulator.invalidateTokens(account.account);
    const delivery = await callbacks.send(message, signal, { twice });
    accepted += delivery.accepted ? (twice ? 2 : 1) : 0;
  }
  return accepted;
}

/** Every row of messages sent since `from`, with links. */
async function rowsSince(from: Date, { account, service }: DemoContext): Promise<Map<string, RowWithLink>> {
  const rows = new Map<string, RowWithLink>();
  const query = new URLSearchParams({
    account: account.account,
    sentFrom: from.toISOString(),
    include: 'link',
    limit: String(PAGE),
  });
  for (;;) {
    const page = await service.get<{ items: RowWithLink[]; nextCursor: string | null }>(`/v1/media?${query}`);
    for (const row of page.items) rows.set(row.id, row);
    if (!page.nextCursor) return rows;
    query.set('cursor', page.nextCursor);
  }
}

/** Until nothing is pending or the signal aborts; `onLook` is told of every row at every look. */
export async function waitUntilFinished(
  parts: readonly SentItem[],
  from: Date,
  stage: DemoContext,
  onLook: (rows: ReadonlyMap<string, RowWithLink>) => void,
  signal: AbortSignal,
): Promise<Map<string, RowWithLink>> {
  for (;;) {
    const rows = await rowsSince(from, stage);
    onLook(rows);
    if (parts.every(({ id }) => (rows.get(id)?.status ?? 'pending') !== 'pending')) return rows;
    if (signal.aborted) return rows;
    await Promise.race([stage.clock.sleep(LOOK_MS, signal).catch(() => undefined), stage.service.ended]);
  }
}
