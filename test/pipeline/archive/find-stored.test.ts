import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import { idOf, keyPrefixOf, type Reference } from '../../../src/media.ts';
import { createStoredObjects } from '../../../src/pipeline/archive/find-stored.ts';
import { metadataOf } from '../../../src/pipeline/archive/object-metadata.ts';
import { bytes, flow, MIB, picture, setup, sha256 } from '../../storage/setup.ts';

const NOW = new Date('2026-11-20T12:00:00Z');
const soon = () => AbortSignal.timeout(10_000);

describe('what is stored already', () => {
  const rowOf = (objectKey?: string) =>
    ({
      id: 'm_00000000000000000000000000000001',
      account: 'wx1',
      status: 'pending',
      attempts: 1,
      createdAt: NOW,
      updatedAt: NOW,
      sentAt: NOW,
      ...(objectKey && { bucket: 'media', objectKey }),
    }) as const;

  async function open(...of: Parameters<typeof setup>) {
    const s = await setup(...of);
    const warned: unknown[] = [];
    const stored = createStoredObjects({
      store: s.store,
      catalogue: { media: { get: async () => undefined }, objects: { adopt: async () => 'created' } },
      clock: { now: () => NOW },
      log: { info: () => undefined, warn: (...args: unknown[]) => void warned.push(args) },
      prefix: '',
    });
    return { ...s, stored, warned };
  }

  it('is not known to a key that may not list the bucket: it is not found, and that is said once', async (t) => {
    const { stored, injectFaults, warned } = await open(t);
    injectFaults(({ method }) =>
      /HEAD|GET/.test(method) ? { status: 403, code: 'AccessDenied' } : undefined,
    );
    for (const row of [rowOf('wx1/a.jpg'), rowOf(), rowOf('wx1/b.jpg')])
      assert.equal(await stored.find(row, soon()), undefined);
    assert.equal(warned.length, 1);
  });

  it('is asked again another time where the store as a whole is wrong or away', async (t) => {
    const whole = [
      [{ status: 404, code: 'NoSuchBucket' }, 'store_bucket_missing'],
      [{ status: 403, code: 'InvalidAccessKeyId' }, 'store_key_unknown'],
      [{ status: 503, code: 'SlowDown' }, 'store_unavailable'],
    ] as const;
    for (const [fault, code] of whole) {
      const { stored, injectFaults } = await open(t);
      injectFaults(() => fault);
      const isSo = (error: unknown) => error instanceof FailureError && error.failure.code === code;
      await assert.rejects(stored.find(rowOf('wx1/a.jpg'), soon()), isSo, code);
    }
  });

  describe('in parts', () => {
    const reference: Reference = { account: 'wx1', mediaId: 'm', kind: 'video', sentAt: NOW };
    const id = idOf('wx1', 'm');
    const key = `${keyPrefixOf({ prefix: '', ...reference, id })}.mp4`;
    const row = { ...rowOf(key), id };
    const body = bytes(5 * MIB + 1);

    async function openWithFilm(...of: Parameters<typeof setup>) {
      const s = await open(...of);
      const metadata = metadataOf(id, reference, 'media_get');
      await s.store.put({ ...picture, key, body: flow(body), metadata, signal: soon() });
      return s;
    }

    it('is found with the digest of its bytes, and not where other bytes come than HEAD promises', async (t) => {
      const { stored, injectFaults } = await openWithFilm(t, { partSizeBytes: 5 * MIB });
      assert.equal((await stored.find(row, soon()))?.stored.sha256, sha256(body));
      injectFaults(({ method }) => (method === 'GET' ? { text: 'short' } : undefined));
      assert.equal(await stored.find(row, soon()), undefined);
    });

    it('is not looked for under the key of a row whose object is in another bucket', async (t) => {
      const { stored } = await openWithFilm(t, { partSizeBytes: 5 * MIB });
      assert.equal(await stored.find({ ...row, bucket: 'the-old-one' }, soon()), undefined);
    });
  });
});
