/** Plays the script against the running service: sends the messages, then watches the rows until all are settled. */
import type { Account } from '../account.ts';
import { idOf } from '../media.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createCallbacks } from '../simulator/callbacks/callbacks.ts';
import { composeMessage, type Message } from '../simulator/callbacks/messages.ts';
import type { Simulator } from '../simulator/server.ts';
import type { LinkedRow } from './check.ts';
import type { Scene } from './script.ts';
import type { Service } from './service.ts';

/** A scene with the media it got. */
export interface Part extends Scene {
  readonly mediaId: string;
  readonly id: string;
  readonly message: Message;
}

export interface Stage {
  readonly account: Account;
  readonly simulator: Simulator;
  readonly service: Service;
  readonly clock: Clock;
  readonly log: Log;
}

const LOOK_MS = 500;
const PAGE = 200;

export function castOf(script: readonly Scene[], stage: Pick<Stage, 'account' | 'simulator'>): Part[] {
  return script.map((scene) => {
    const message = composeMessage(stage.simulator, scene.wish);
    const mediaId = message.mediaIds[0]!;
    return { ...scene, message, mediaId, id: idOf(stage.account.account, mediaId) };
  });
}

/** Answers how many references the service accepted, repeats included. */
export async function send(parts: readonly Part[], stage: Stage, signal: AbortSignal): Promise<number> {
  const { account, simulator, service, clock, log } = stage;
  const url = `${service.url}/wechat/${account.account}`;
  const callbacks = createCallbacks({ account, url, clock, log, ledger: simulator.ledger });
  if (!(await callbacks.sendHandshake(signal))) throw new Error('the handshake of the callback URL failed');
  let accepted = 0;
  for (const { message, twice = false, killTokens } of parts) {
    if (killTokens) simulator.invalidateTokens(account.account);
    const delivery = await callbacks.send(message, signal, { twice });
    accepted += delivery.accepted ? (twice ? 2 : 1) : 0;
  }
  return accepted;
}

/** Every row of messages sent since `from`, with links. */
async function rowsSince(from: Date, { account, service }: Stage): Promise<Map<string, LinkedRow>> {
  const rows = new Map<string, LinkedRow>();
  const query = new URLSearchParams({
    account: account.account,
    sentFrom: from.toISOString(),
    include: 'link',
    limit: String(PAGE),
  });
  for (;;) {
    const page = await service.get<{ items: LinkedRow[]; nextCursor: string | null }>(`/v1/media?${query}`);
    for (const row of page.items) rows.set(row.id, row);
    if (!page.nextCursor) return rows;
    query.set('cursor', page.nextCursor);
  }
}

/** Until nothing is pending or the signal aborts; `onLook` is told of every row at every look. */
export async function settled(
  parts: readonly Part[],
  from: Date,
  stage: Stage,
  onLook: (rows: ReadonlyMap<string, LinkedRow>) => void,
  signal: AbortSignal,
): Promise<Map<string, LinkedRow>> {
  for (;;) {
    const rows = await rowsSince(from, stage);
    onLook(rows);
    if (parts.every(({ id }) => (rows.get(id)?.status ?? 'pending') !== 'pending')) return rows;
    if (signal.aborted) return rows;
    await Promise.race([stage.clock.sleep(LOOK_MS, signal).catch(() => undefined), stage.service.ended]);
  }
}
