import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type MediaRecipe,
  mintMediaId,
  RESPONSE_FAULT_NAMES,
  readMediaId,
  SIMULATED_KINDS,
} from '../../../src/simulator/media/media-id.ts';

const recipe: MediaRecipe = {
  kind: 'video',
  seed: 4_000_000_000,
  sizeBytes: 30_000_000,
  createdAt: new Date('2026-11-05T08:00:00.123Z'),
  fault: { name: 'errcode', times: 3, amount: -1000 },
  appId: 'wx0123456789abcdef',
};

describe('simulated media ids', () => {
  it('a media id looks like one of WeChat', () => {
    assert.match(mintMediaId(recipe), /^[A-Za-z0-9_-]{64}$/);
  });

  it('a media id is the same for the same recipe, and contains the recipe', () => {
    const mediaId = mintMediaId(recipe);
    assert.equal(mintMediaId(recipe), mediaId);
    assert.deepEqual(readMediaId(mediaId, recipe.appId), recipe);
  });

  it('a media id can contain every kind and every fault', () => {
    for (const kind of SIMULATED_KINDS) {
      for (const name of RESPONSE_FAULT_NAMES.slice(1)) {
        const wanted = { ...recipe, kind, sizeBytes: 1, fault: { name, times: 255, amount: 9_001_002 } };
        assert.deepEqual(readMediaId(mintMediaId(wanted), recipe.appId), wanted);
      }
    }
  });

  it('a media id is unknown to another account', () => {
    assert.equal(readMediaId(mintMediaId(recipe), 'wxfedcba9876543210'), undefined);
  });

  it('a media id with any changed character is unknown', () => {
    const mediaId = mintMediaId(recipe);
    for (let at = 0; at < mediaId.length; at++) {
      const other = mediaId[at] === 'A' ? 'B' : 'A';
      assert.equal(
        readMediaId(mediaId.slice(0, at) + other + mediaId.slice(at + 1), recipe.appId),
        undefined,
      );
    }
  });

  it('a media id of another length or alphabet is unknown', () => {
    const mediaId = mintMediaId(recipe);
    for (const wrong of [
      '',
      'x',
      `${mediaId}A`,
      mediaId.slice(1),
      `${mediaId.slice(1)}+`,
      `${mediaId.slice(1)}\n`,
    ])
      assert.equal(readMediaId(wrong, recipe.appId), undefined);
  });

  it('numbers out of range and pictures too large for memory are refused', () => {
    assert.throws(() => mintMediaId({ ...recipe, seed: 2 ** 32 }), RangeError);
    assert.throws(() => mintMediaId({ ...recipe, fault: { name: 'slow', times: 256 } }), RangeError);
    assert.throws(() => mintMediaId({ ...recipe, kind: 'image', sizeBytes: 64 * 2 ** 20 }), RangeError);
  });
});
