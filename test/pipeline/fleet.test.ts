import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideShare } from '../../src/pipeline/fleet.ts';

const ACCOUNTS = Array.from({ length: 50 }, (_, n) => `wx${n}`);

describe('the fleet', () => {
  it('shares an account’s concurrency out to the last place and no further', () => {
    for (const account of ACCOUNTS) {
      for (let live = 1; live <= 9; live++) {
        for (const concurrency of [1, 4, 7]) {
          const shares = Array.from({ length: live }, (_, rank) =>
            decideShare(concurrency, account, { live, rank }),
          );
          assert.equal(
            shares.reduce((sum, share) => sum + share, 0),
            concurrency,
          );
          assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
        }
      }
    }
  });

  it('leaves no worker idle for all accounts', () => {
    for (let rank = 0; rank < 8; rank++) {
      assert.ok(ACCOUNTS.some((account) => decideShare(1, account, { live: 8, rank }) === 1));
    }
  });
});
