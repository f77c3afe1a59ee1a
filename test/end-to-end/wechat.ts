/** The simulated WeChat in the test's own process, and the environment for a service that uses it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { idOf } from '../../src/media.ts';
import { createLifetimes, systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { simulatedAccount } from '../../src/simulator/account.ts';
import { createCallbacks } from '../../src/simulator/callbacks/callbacks.ts';
import { composeMessage, type MessageSpec } from '../../src/simulator/callbacks/messages.ts';
import { openSimulator } from '../../src/simulator/server.ts';
import { freePort } from '../machine/server.ts';
import { until } from './programs.ts';

const KEY = 'a-key-of-the-end-to-end-tests';
/** Longer than the queue needs to notice that a worker is gone: twice half a minute. */
const ARCHIVE_LIMIT_MS = 120_000;
const CALLBACK_LIMIT_MS = 30_000;

export interface Row {
  readonly id: string;
  readonly mediaId: string;
  readonly status: string;
  readonly attempts: number;
  readonly waiting?: { readonly reason: string };
  readonly objectKey?: string;
  readonly link?: { readonly url: string };
  readonly traceparent?: string;
}

export async function setup(t: TestContext) {
  const account = simulatedAccount(4);
  const log = createLog({ level: 'error', program: 'test', secrets: [] });
  const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 });
  const simulator = await openSimulator({ clock: systemClock, lifetimes, accounts: [account], log });
  t.after(() => simulator.close());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    PORT: String(port),
    API_KEYS: `admin:${KEY}`,
    WECHAT_APP_ID: account.appId,
    WECHAT_APP_SECRET: account.secret,
    WECHAT_TOKEN: account.token,
    WECHAT_ENCODING_AES_KEY: account.encodingAesKey ?? '',
    WECHAT_API_BASE_URL: simulator.url,
    FETCH_ALLOW_HOSTS: simulator.host,
    ALLOW_EMBEDDED: '1',
  };
  const callbacks = createCallbacks({
    account,
    url: `${url}/wechat/${account.account}`,
    clock: systemClock,
    log: { warn: () => undefined, debug: () => undefined },
    requestLog: simulator.requestLog,
  });
  let seed = 1;

  async function get<T>(path: string): Promise<T> {
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${KEY}` } });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}`);
    return (await answer.json()) as T;
  }
  const row = (id: string) => get<Row>(`/v1/media/${id}?include=link`);

  return {
    url,
    env,
    key: KEY,
    account,
    get,
    row,
    /** Returns the id of a new picture that no callback has named. */
    mintPicture: (): string => simulator.mint(account.account, { kind: 'image', seed: seed++ }),
    /** Posts a callback in safe mode. Resolves with the item's id, or undefined when the response was not `success`. */
    send: async (wish: Omit<MessageSpec, 'account' | 'seed'>): Promise<string | undefined> => {
      const message = composeMessage(simulator, {
        withThumb: false,
        ...wish,
        account: account.account,
        seed: seed++,
      });
      const { accepted } = await callbacks.send(message, AbortSignal.timeout(CALLBACK_LIMIT_MS));
      return accepted ? idOf(account.account, message.mediaIds[0]!) : undefined;
    },
    rows: async (query = ''): Promise<Row[]> =>
      (await get<{ items: Row[] }>(`/v1/media?limit=200${query}`)).items,
    untilArchived: (id: string) =>
      until(
        `${id} is archived`,
        async () => {
          const found = await row(id);
          return found.status === 'archived' && found;
        },
        ARCHIVE_LIMIT_MS,
      ),
    untilRunning: (id: string) =>
      until(`${id} is on its way`, async () => (await row(id)).waiting?.reason === 'running'),
    /** Opens the link and compares with what the simulator made. */
    assertStored: async ({ mediaId, link }: Row): Promise<void> => {
      assert.ok(link, 'an archived item has a link');
      const answer = await fetch(link.url);
      assert.equal(answer.status, 200);
      const bytes = Buffer.from(await answer.arrayBuffer());
      assert.deepEqual(
        { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length },
        await simulator.digestOf(account.account, mediaId),
      );
    },
  };
}

/** What lies in the embedded store of a running service, by the SDK and the keys in DATA_DIR. */
export async function embeddedStore(t: TestContext, dataFolder: string) {
  const keys = JSON.parse(await readFile(join(dataFolder, 's3-keys.json'), 'utf8')) as {
    accessKeyId: string;
    secretAccessKey: string;
    port: number;
  };
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${keys.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: keys,
  });
  t.after(() => client.destroy());
  const Bucket = 'wechat-media';
  return {
    keys: async () =>
      ((await client.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key),
    openUploads: async () =>
      ((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).length,
  };
}
