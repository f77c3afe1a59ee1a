/** Dead letters and their redrives, for tests. */
import assert from 'node:assert/strict';
import type { RedriveFilter } from '../../../src/catalogue/redrive/filter.ts';
import type { RedriveRequest } from '../../../src/catalogue/redrive/redrive-row.ts';
import type { Failure } from '../../../src/failures.ts';
import { idOf, type Kind } from '../../../src/media.ts';
import type { Bundle } from '../backends.ts';

export const NOW = new Date('2026-05-01T12:00:00Z');
export const HOUR_MS = 3_600_000;
export const at = (ms: number) => new Date(NOW.getTime() + ms);
export const INVALID = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;

interface DeadOptions {
  count?: number;
  failure?: Failure;
  kind?: Kind;
  to?: 'dead' | 'expired';
  sentAt?: Date;
  diedAt?: Date;
}

export function createDeadLetters(bundle: () => Bundle) {
  let serial = 0;
  const newAccount = () => `many-${serial++}`;
  const claim = async (account: string, now: Date) =>
    (await bundle().catalogue.queue.claim([{ account, capacity: 999 }], now, 999)).claimed;
  const fail = (
    job: { id: string; generation: number },
    now: Date,
    failure: Failure,
    to: 'dead' | 'expired',
  ) =>
    bundle().catalogue.outcomes.markFailed({ ...job, startedAt: now, endedAt: now }, failure, { to }, true);

  /** Inserts items that failed for good. Returns their ids in the order in which they were sent. */
  async function dead(account: string, options: DeadOptions = {}): Promise<string[]> {
    const { count = 1, failure = INVALID, kind = 'image', to = 'dead', sentAt = NOW, diedAt = NOW } = options;
    const references = Array.from({ length: count }, (_, n) => ({
      account,
      mediaId: `m-${serial++}`,
      kind,
      sentAt: new Date(sentAt.getTime() + n),
    }));
    await bundle().catalogue.media.insert(references, diedAt, false);
    for (const job of await claim(account, diedAt)) assert.ok(await fail(job, diedAt, failure, to));
    return references.map(({ mediaId }) => idOf(account, mediaId));
  }

  const filterOf = (account: string, more: Partial<RedriveFilter> = {}): RedriveFilter => ({
    status: ['dead'],
    account: [account],
    ...more,
  });
  const ask = (filter: RedriveFilter, now: Date, more: Partial<RedriveRequest> = {}) =>
    bundle().catalogue.redrives.create({ filter, rate: 20, actor: 'ops', ...more }, now);
  /** Page after page, each when it is due. Returns how many items each page made pending. */
  async function workOff(id: string, now: Date, catalogue = bundle().catalogue): Promise<number[]> {
    const pages: number[] = [];
    for (;;) {
      const next = (await catalogue.redrives.listRunning(99)).find((one) => one.id === id);
      if (!next) return pages;
      const page = await catalogue.redrives.runPage(id, next.nextPageAt > now ? next.nextPageAt : now);
      assert.ok(page);
      pages.push(page.redriven);
    }
  }
  const statusesOf = async (ids: readonly string[]) =>
    Promise.all(ids.map(async (id) => (await bundle().catalogue.media.get(id))?.status));
  const all = (count: number, status: string) => Array.from({ length: count }, () => status);
  const countsOf = async (id: string) => {
    const { state, done, skipped, total } = (await bundle().catalogue.redrives.get(id))!;
    return { state, done, skipped, total };
  };

  return { newAccount, claim, fail, dead, filterOf, ask, workOff, statusesOf, all, countsOf };
}
