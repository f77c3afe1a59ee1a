/** A random day of work on a catalogue, and what the history must show of it. */
import assert from 'node:assert/strict';
import { idOf } from '../../../src/media.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { type Bundle, SCHEMA } from '../backends.ts';
import { STORED } from '../items.ts';

export interface Event {
  readonly at: Date;
  readonly account: string;
  readonly what: 'received' | 'archived' | 'dead' | 'expired';
  readonly bytes: number;
}

export const MINUTE_MS = 60_000;
export const DAY_MS = 24 * 60 * MINUTE_MS;

const ACTIONS = ['insert', 'insert', 'archive', 'archive', 'die', 'expire', 'redrive', 'erase'] as const;
const FAILURE = { code: 'media_gone', class: 'permanent_media', errcode: 40007 } as const;

/** What a row's status was after each change, by which the backlog at any time is counted. */
interface Life {
  readonly account: string;
  readonly changes: { at: Date; status: string }[];
}

export function createRandomDay({ catalogue, database }: Bundle, seed: number, accounts: readonly string[]) {
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const events: Event[] = [];
  const lives = new Map<string, Life>();
  let serial = 0;

  const idsIn = (...statuses: string[]) =>
    [...lives].filter(([, { changes }]) => statuses.includes(changes.at(-1)!.status)).map(([id]) => id);
  const change = (id: string, at: Date, status: string) => lives.get(id)!.changes.push({ at, status });
  const record = (id: string, at: Date, what: Event['what'], bytes = 0) =>
    events.push({ at, account: lives.get(id)!.account, what, bytes });
  const attempt = (id: string, generation: number, at: Date) => ({
    id,
    generation,
    startedAt: at,
    endedAt: at,
  });
  const generationOf = async (id: string) => {
    const [row] = await database.query<{ generation: number }>(
      `SELECT generation FROM ${SCHEMA}.media WHERE id = $1`,
      [id],
    );
    return row!.generation;
  };

  async function insert(at: Date): Promise<void> {
    const references = Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({
      account: pick(accounts)!,
      mediaId: `${random() < 0.2 ? 'msg:' : ''}${seed}-${serial++}`,
      kind: 'file' as const,
      sentAt: new Date(at.getTime() - 3 * DAY_MS - 3 * 60 * MINUTE_MS),
    }));
    await catalogue.media.insert(references, at, false);
    for (const { account, mediaId } of references) {
      const id = idOf(account, mediaId);
      const isDead = mediaId.startsWith('msg:');
      lives.set(id, { account, changes: [{ at, status: isDead ? 'dead' : 'pending' }] });
      record(id, at, 'received');
      if (isDead) record(id, at, 'dead');
    }
  }

  async function act(at: Date): Promise<void> {
    const action = pick(ACTIONS)!;
    if (action === 'insert') return insert(at);
    const id = pick(
      {
        archive: idsIn('pending', 'dead'),
        die: idsIn('pending'),
        expire: idsIn('pending'),
        redrive: idsIn('dead', 'expired'),
        erase: idsIn('pending', 'archived', 'dead', 'expired'),
      }[action],
    );
    if (!id) return;
    if (action === 'archive') {
      const sizeBytes = Math.floor(random() * 1e6);
      const of = { ...attempt(id, await generationOf(id), at), account: lives.get(id)!.account };
      assert.ok(await catalogue.outcomes.markArchived(of, { ...STORED, objectKey: id, sizeBytes }));
      change(id, at, 'archived');
      record(id, at, 'archived', sizeBytes);
    } else if (action === 'die') {
      await catalogue.outcomes.markFailed(
        attempt(id, await generationOf(id), at),
        FAILURE,
        { to: 'dead' },
        true,
      );
      change(id, at, 'dead');
      record(id, at, 'dead');
    } else if (action === 'expire') {
      const closed = await catalogue.outcomes.closeExpired([id], at, {
        code: 'expired',
        class: 'permanent_media',
      });
      if (closed.length === 0) return;
      change(id, at, 'expired');
      record(id, at, 'expired');
    } else if (action === 'redrive') {
      if (await catalogue.redrives.redriveOne(id, at, { actor: 'test', force: true }))
        change(id, at, 'pending');
    } else {
      await catalogue.mediaErasure.erase([id], { actor: 'test' }, at);
      change(id, at, 'erased');
    }
  }

  return {
    /** Does so many things at times that never go back, from `from` on. */
    live: async (from: Date, things: number): Promise<void> => {
      let at = from;
      for (let index = 0; index < things; index++) {
        at = new Date(at.getTime() + Math.floor((random() * 2 * DAY_MS) / things));
        await act(at);
      }
    },

    /** Counts the events and the rows that were pending, from the beginning. */
    recount: (fromMs: number, toMs: number, included: readonly string[]) => {
      const mine = events.filter(
        ({ at, account }) => at.getTime() >= fromMs && at.getTime() < toMs && included.includes(account),
      );
      const count = (what: Event['what']) => mine.filter((event) => event.what === what).length;
      const wasPending = ({ changes }: Life) =>
        changes.findLast(({ at }) => at.getTime() < toMs)?.status === 'pending';
      return {
        received: count('received'),
        archived: count('archived'),
        dead: count('dead'),
        expired: count('expired'),
        bytes: mine.reduce((sum, { bytes }) => sum + bytes, 0),
        backlog: [...lives.values()].filter((life) => included.includes(life.account) && wasPending(life))
          .length,
      };
    },
  };
}
