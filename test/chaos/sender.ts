/** Sends the callbacks of the script and records the responses: what a user could claim was promised. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Fixture } from './fixture.ts';
import type { Script, Sending } from './script.ts';

/** One line of sent.jsonl. */
export interface SentLine {
  /** When the response to the last delivery was known, in milliseconds of the epoch. */
  readonly at: number;
  readonly account: string;
  /** The message's own media first, then its thumb. */
  readonly mediaIds: readonly string[];
  /** The response to one delivery at least was 200 and `success`. */
  readonly accepted: boolean;
  readonly statuses: readonly (readonly number[])[];
  /** CreateTime of the item, in milliseconds of the epoch. */
  readonly sentAt: number;
  readonly fault?: { readonly name: string; readonly times?: number };
  /** The simulated WeChat did not respond: nothing is known of this one. */
  readonly unknown?: string;
}

export interface Sender {
  /** Sends at its time, from `startedAt` (performance.now) on; resolves when all responses are known. */
  play(sendings: readonly Sending[], startedAt: number): Promise<void>;
  readonly lines: readonly SentLine[];
  close(): Promise<void>;
}

/** How long a callback is sent again with `untilAccepted`. */
const SEND_AGAIN_MS = 90_000;

export function createSender(
  fixture: Fixture,
  { lifeMs, untilAccepted = false }: Pick<Script, 'lifeMs'> & { readonly untilAccepted?: boolean },
): Sender {
  const file = createWriteStream(join(fixture.folder, 'sent.jsonl'));
  const lines: SentLine[] = [];

  async function send(sending: Sending, sentAt: number): Promise<boolean> {
    const { account } = fixture.accounts[sending.account]!;
    const to = `${fixture.url}/wechat/${account}`;
    const { wish, how } = sending;
    const line = { account, sentAt, ...(wish.fault && { fault: wish.fault }) };
    let response: Pick<SentLine, 'mediaIds' | 'accepted' | 'statuses' | 'unknown'>;
    try {
      const { mediaIds, deliveries } = await fixture.wechat.send(
        account,
        to,
        { ...wish, sentAt: new Date(sentAt).toISOString() },
        how,
      );
      response = {
        mediaIds: mediaIds[0] ?? [],
        accepted: deliveries.some(({ accepted }) => accepted),
        statuses: deliveries.map(({ statuses }) => statuses),
      };
    } catch (error) {
      response = { mediaIds: [], accepted: false, statuses: [], unknown: String(error) };
    }
    const full: SentLine = { at: Date.now(), ...line, ...response };
    lines.push(full);
    file.write(`${JSON.stringify(full)}\n`);
    return full.accepted;
  }

  async function sendUntilAccepted(sending: Sending, sentAt: number): Promise<void> {
    const givesUpAt = performance.now() + SEND_AGAIN_MS;
    while (!(await send(sending, sentAt)) && untilAccepted && performance.now() < givesUpAt);
  }

  async function one(sending: Sending, startedAt: number): Promise<void> {
    await wait(Math.max(0, startedAt + sending.atMs - performance.now()));
    // Whole seconds, as CreateTime is: the same message again must be the same media.
    const sentAt = Math.floor((Date.now() - sending.ageShare * lifeMs) / 1000) * 1000;
    const first = sendUntilAccepted(sending, sentAt);
    if (sending.againAfterMs !== undefined) {
      await wait(sending.againAfterMs);
      await send(sending, sentAt);
    }
    await first;
  }

  return {
    lines,
    play: async (sendings, startedAt) => {
      await Promise.all(sendings.map((sending) => one(sending, startedAt)));
    },
    close: () => new Promise((resolve) => file.end(resolve)),
  };
}
