/** Ceph's radosgw as a narrow key and a bucket with default retention meet it. One cluster for all: it starts in 15 s. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import {
  CreateBucketCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createEraser } from '../../src/pipeline/maintenance/eraser.ts';
import { checkStore } from '../../src/pipeline/maintenance/store-check.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { PERMISSIONS } from '../../src/storage/permissions.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { type Ceph, type Keys, startCeph } from '../machine/ceph.ts';
import { PROGRAM_PACKAGES } from '../machine/programs.ts';
import { bytes, flow, MIB, picture, sha256 } from '../storage/setup.ts';
import { A, type Fixture, type Program, receive, SHAPES, until, untilEnded } from './shapes.ts';

const radosgw = process.env.TEST_PROGRAM_RADOSGW;
const skip = radosgw ? false : `no radosgw: apt-get install ${PROGRAM_PACKAGES.radosgw.join(' ')}`;
const soon = () => AbortSignal.timeout(60_000);
const DAY_MS = 24 * 3_600_000;

describe('Ceph', { skip, timeout: 300_000 }, () => {
  let folder: string;
  let ceph: Ceph;
  let client: S3Client;
  let [owner, narrow]: Keys[] = [];
  const stores: Store[] = [];

  before(async () => {
    folder = await mkdtemp('/tmp/wma-ceph-');
    ceph = await startCeph(folder);
    [owner, narrow] = [await ceph.user('owner'), await ceph.user('narrow')];
    client = new S3Client({
      endpoint: ceph.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: owner,
    });
  });
  after(async () => {
    client?.destroy();
    for (const store of stores) await store.close();
    await ceph?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const optionsOf = (bucket: string, keys: Keys) =>
    ({
      endpoint: ceph.endpoint,
      bucket,
      region: 'us-east-1',
      addressing: 'path',
      prefix: '',
      ...keys,
    }) as const;
  const open = (bucket: string, keys: Keys, more = {}) => {
    const store = createStore({ ...optionsOf(bucket, keys), clock: systemClock, ...more });
    stores.push(store);
    return store;
  };
  const make = (Bucket: string) => client.send(new CreateBucketCommand({ Bucket }));
  /** Denied too: the owner of an object may read it by its ACL, whatever the policy leaves out. */
  const allow = (Bucket: string, actions: readonly string[]) => {
    const denied = PERMISSIONS.filter((action) => !actions.includes(action));
    const statement = (Effect: string, Action: readonly string[]) => ({
      Effect,
      Principal: { AWS: ['arn:aws:iam:::user/narrow'] },
      Action,
      Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
    });
    const Statement = [
      statement('Allow', actions),
      ...(denied.length > 0 ? [statement('Deny', denied)] : []),
    ];
    return client.send(
      new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }),
    );
  };
  const without = (...gone: string[]) => PERMISSIONS.filter((action) => !gone.includes(action));
  const examine = (store: Store) => checkStore(store, { prefix: '', clock: systemClock, signal: soon() });

  it('makes the doctor name exactly the permission that is missing, and what does not work without it', async () => {
    await make('rights');
    await client.send(
      new PutBucketVersioningCommand({ Bucket: 'rights', VersioningConfiguration: { Status: 'Enabled' } }),
    );
    const store = open('rights', narrow!);
    await allow('rights', PERMISSIONS);
    assert.deepEqual(
      (await examine(store)).map(({ ok }) => ok),
      [true],
      'nothing is missing',
    );
    const needed = ['s3:PutObject', 's3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload'];
    for (const action of PERMISSIONS) {
      await allow('rights', without(action));
      const found = await examine(store);
      const [store403, ...others] = found.filter(({ message }) => message.en.includes('lacks'));
      assert.ok(store403 && others.length === 0, `${action}: ${JSON.stringify(found)}`);
      assert.match(store403.message.en, new RegExp(`lacks ${action}: .{20}`));
      assert.match(store403.advice!.en, new RegExp(`^Grant ${action} on rights(/\\*)? to the key\\.$`));
      assert.equal(store403.ok, !needed.includes(action), action);
    }
    await allow('rights', without('s3:GetObject', 's3:ListBucket'));
    const both = await examine(store);
    assert.deepEqual(
      both.map(({ ok, message }) => [ok, /缺少/.test(message.zh), /s3:\w+/.exec(message.zh)?.[0]]),
      [
        [false, true, 's3:GetObject'],
        [true, true, 's3:ListBucket'],
      ],
    );
  });

  it('has a code of its own for each thing that is wrong with the store as a whole', async () => {
    await make('health');
    for (const [bucket, keys, code] of [
      ['health', owner!, undefined],
      ['no-such-bucket', owner!, 'store_bucket_missing'],
      ['health', { ...owner!, accessKeyId: 'AKNOBODY' }, 'store_key_unknown'],
      ['health', { ...owner!, secretAccessKey: 'wrong' }, 'store_secret_wrong'],
    ] as const) {
      const store = open(bucket, keys);
      const asked = [store.checkHealth(soon()), store.head('a.jpg', soon()), store.erase('a.jpg', soon())];
      const codes = (await Promise.allSettled(asked)).map((one) =>
        one.status === 'rejected' ? one.reason.failure.code : undefined,
      );
      assert.deepEqual(codes, [code, code, code], bucket);
    }
    assert.deepEqual(await open('health', narrow!).checkHealth(soon()), { isForbidden: true });
  });

  it('stores objects in a bucket with default retention, whole and in parts, and reports until when they are kept', async () => {
    const Bucket = 'retention';
    await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } },
        },
      }),
    );
    const store = open(Bucket, owner!, { partSizeBytes: 5 * MIB });
    for (const size of [1000, 6 * MIB]) {
      const key = `${size}.jpg`;
      const body = bytes(size);
      await store.put({ ...picture, key, body: flow(body), expect: undefined, signal: soon() });
      const stored = await store.get(key, { signal: soon() });
      assert.equal(sha256(Buffer.concat(await stored!.body.toArray())), sha256(body));
      const [kept, ...others] = await store.erase(key, soon());
      assert.deepEqual([kept?.why, others], ['locked', []]);
      const days = (kept!.until!.getTime() - Date.now()) / DAY_MS;
      assert.ok(days > 0.9 && days <= 1.01, `${days} days`);
    }
    const found = await examine(store);
    assert.deepEqual(
      found.map(({ ok }) => ok),
      [true, true],
    );
    assert.match(found[1]!.message.en, /keeps new objects until 20.*Object Lock/);
  });

  describe('a program whose key may not list the bucket', () => {
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      await make('narrow');
      await allow('narrow', ['s3:PutObject', 's3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload']);
      fixture = await SHAPES[0]!.open();
      const { accessKeyId, secretAccessKey, endpoint, bucket, region } = optionsOf('narrow', narrow!);
      program = await fixture.start({
        env: {
          S3_BUCKET: bucket,
          S3_ENDPOINT: endpoint,
          S3_REGION: region,
          S3_ADDRESSING: 'path',
          S3_ACCESS_KEY_ID: accessKeyId,
          S3_SECRET_ACCESS_KEY: secretAccessKey,
        },
      });
    });
    after(() => fixture?.close());
    const accept = async (...inputs: Parameters<Program['parts']['accept']>[0][number][]) =>
      (await program.parts.accept(inputs)).map(({ id }) => id);

    it('archives, and closes with the reason of WeChat at once', async () => {
      const good = receive(fixture.simulator, { account: A });
      const bad = receive(fixture.simulator, { account: A, fault: { name: 'invalid' } });
      const [archived, dead] = await untilEnded(program, await accept(good, bad));
      assert.equal(archived?.status, 'archived');
      assert.deepEqual([dead?.status, dead?.failure?.errcode, dead?.attempts], ['dead', 40007, 1]);
      assert.equal((await program.parts.catalogue.storeHold.read()).hold, undefined);
    });

    it('closes what has run out', async () => {
      const late = {
        ...receive(fixture.simulator, { account: A, fault: { name: 'invalid' } }),
        sentAt: new Date(0),
      };
      const [row] = await untilEnded(program, await accept(late));
      assert.equal(row?.status, 'expired');
    });

    it('erases', async () => {
      const [id] = await accept(receive(fixture.simulator, { account: A }));
      await untilEnded(program, [id!]);
      await createEraser(program.parts).erase([id!], { actor: 'a key', reason: 'asked for' }, soon());
      await until('the erasure', async () => (await program.parts.catalogue.media.get(id!))?.erasedAt);
    });
  });
});
