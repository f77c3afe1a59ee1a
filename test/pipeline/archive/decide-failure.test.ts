import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Failure, failure } from '../../../src/failures.ts';
import {
  decideClosing,
  decideFailure,
  type FailureFacts,
} from '../../../src/pipeline/archive/decide-failure.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const at = (ms: number) => new Date(NOW.getTime() + ms);

const ROW = { status: 'pending', attempts: 0, expiresAt: at(72 * HOUR_MS), closesAt: at(74 * HOUR_MS) };
const FACTS: FailureFacts = {
  row: ROW,
  failure: failure('network').failure,
  startedAt: NOW,
  now: NOW,
  isClockCertain: true,
  random: 0.5,
  scale: (ms) => ms,
};
const OVER = { ...ROW, attempts: 9, expiresAt: at(-3 * HOUR_MS), closesAt: at(-HOUR_MS) };
const GONE: Failure = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 };
const QUOTA: Failure = { code: 'daily_limit', class: 'day_quota', errcode: 45009 };
const FORBIDDEN: Failure = { code: 'api_unauthorized', class: 'account', errcode: 48001 };
const UNSUPPORTED: Failure = { code: 'too_large', class: 'permanent_media' };
const BEIJING_MIDNIGHT_MS = 4 * HOUR_MS;

const TABLE: readonly [string, Partial<FailureFacts>, ReturnType<typeof decideFailure>][] = [
  ['a row that is gone', { row: undefined }, { next: 'superseded' }],
  ['a row that is archived', { row: { ...ROW, status: 'archived' } }, { next: 'superseded' }],
  ['a row that is erased', { row: { status: 'erased', attempts: 0 } }, { next: 'superseded' }],
  ['a held store', { storeHold: 'held' }, { next: 'due' }],
  ['a wrong clock of this process', { storeHold: 'clockSkewed' }, { next: 'due' }],
  ['a held store after the time is over', { row: OVER, storeHold: 'held' }, { next: 'due' }],
  ['a short wait', {}, { next: 'retry', at: at(2_500), delayMs: 2_500, reason: 'retry' }],
  [
    'a long wait',
    { row: { ...ROW, attempts: 9 } },
    { next: 'later', at: at(64 * MINUTE_MS), reason: 'retry', isCounted: true },
  ],
  [
    'a short wait to be closed only',
    { row: { ...ROW, attempts: 9, expiresAt: at(-10), closesAt: at(20) } },
    { next: 'later', at: at(50), reason: 'retry', isCounted: true },
  ],
  ['an item that WeChat refuses for good', { failure: UNSUPPORTED }, { next: 'dead' }],
  ['an item that WeChat does not have', { failure: GONE }, { next: 'search', closing: 'dead' }],
  [
    'an item that WeChat does not have, after its deadline',
    { failure: GONE, row: { ...ROW, expiresAt: at(-1) } },
    { next: 'search', closing: 'expired' },
  ],
  ['the end of its time, whatever the failure', { row: OVER }, { next: 'search', closing: 'expired' }],
  [
    'the end of its time while the time is not known',
    { row: OVER, isClockCertain: false },
    { next: 'later', at: at(10 * MINUTE_MS), reason: 'retry', isCounted: true },
  ],
  [
    'a long wait while the time is not known',
    { row: { ...ROW, attempts: 9 }, isClockCertain: false },
    { next: 'later', at: at(10 * MINUTE_MS), reason: 'retry', isCounted: true },
  ],
  [
    'a refused account',
    { failure: FORBIDDEN },
    { next: 'holdAccount', at: at(5 * MINUTE_MS), reason: FORBIDDEN },
  ],
  [
    'an account that this process does not know',
    { failure: failure('account_unknown').failure },
    { next: 'later', at: at(5 * MINUTE_MS), reason: 'accountHeld', isCounted: false },
  ],
  [
    'a quota of which nothing is known',
    { failure: QUOTA },
    { next: 'holdAccount', at: at(BEIJING_MIDNIGHT_MS + 5 * MINUTE_MS), reason: QUOTA },
  ],
  [
    'a quota that is used up',
    { failure: QUOTA, quotaRemain: 0 },
    { next: 'holdAccount', at: at(BEIJING_MIDNIGHT_MS + 5 * MINUTE_MS), reason: QUOTA },
  ],
  [
    'a quota that has calls left: the limit of a minute',
    { failure: QUOTA, quotaRemain: 5 },
    {
      next: 'holdAccount',
      at: at(MINUTE_MS + 2_500),
      reason: { ...QUOTA, class: 'minute_limit' },
    },
  ],
  [
    'calls that are left, where the failure is another',
    { quotaRemain: 5 },
    { next: 'retry', at: at(2_500), delayMs: 2_500, reason: 'retry' },
  ],
];

describe('decideFailure', () => {
  for (const [what, changes, decision] of TABLE) {
    it(`decides for ${what}: ${decision.next}`, () => {
      assert.deepEqual(decideFailure({ ...FACTS, ...changes }), decision);
    });
  }
});

describe('decideClosing', () => {
  const decide = (closing: 'dead' | 'expired', search: 'found' | 'absent' | 'unknown', why: Failure = GONE) =>
    decideClosing({ next: 'search', closing }, search, { failure: why, now: NOW });

  it('closes nothing that is in the bucket', () => {
    assert.deepEqual(decide('dead', 'found'), { next: 'found' });
    assert.deepEqual(decide('expired', 'found'), { next: 'found' });
  });

  it('closes what is not in the bucket', () => {
    assert.deepEqual(decide('dead', 'absent'), { next: 'dead' });
    assert.deepEqual(decide('expired', 'absent'), { next: 'expired' });
  });

  it('treats a bucket that does not respond as a failure of the store', () => {
    assert.deepEqual(decide('dead', 'unknown'), { next: 'storeFailure' });
    assert.deepEqual(decide('expired', 'unknown', failure('network').failure), { next: 'storeFailure' });
  });

  it('lets an item whose time is over wait for a bucket that does not respond, uncounted', () => {
    const later = { next: 'later', at: at(MINUTE_MS), reason: 'retry', isCounted: false };
    assert.deepEqual(decide('expired', 'unknown', failure('store_unavailable').failure), later);
  });
});
