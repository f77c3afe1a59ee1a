/** Opens the real server with the embedded database and the embedded store, on a port of its own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from '../../src/account.ts';
import { type AppContext, openAppContext } from '../../src/app/app-context.ts';
import { parseApiKeys } from '../../src/config/api-keys.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { failure } from '../../src/failures.ts';
import { idOf, objectKeyOf, type Reference } from '../../src/media.ts';
import type { ListenerLimits } from '../../src/runtime/network/server-limits.ts';
import { problemSchema } from '../../src/server/routes/problem-schema.ts';
import { type OpenServerOptions, openServer, type RunningServer } from '../../src/server/start.ts';
import { signatureOf } from '../../src/simulator/callbacks/envelope.ts';
import { databaseTemplate } from '../embedded/database/open.ts';
import { undocumented } from './documented.ts';

export const PLAIN: Account = {
  account: 'wx0000000000000001',
  product: 'official',
  name: 'shop',
  appId: 'wx0000000000000001',
  secret: 'app-secret-of-the-shop',
  token: 'callback-token-of-the-shop',
  requireEncryption: false,
  concurrency: 4,
};
export const SAFE: Account = {
  ...PLAIN,
  account: 'wx0000000000000002',
  appId: 'wx0000000000000002',
  name: 'school',
  token: 'callback-token-of-the-school',
  encodingAesKey: randomBytes(32).toString('base64').slice(0, 43),
  requireEncryption: true,
};

export const KEYS = {
  read: 'read-secret-0123456789',
  write: 'write-secret-0123456789',
  admin: 'admin-secret-0123456789',
  /** Scope read, only for the school. */
  schoolRead: 'school-read-secret-0123456789',
  /** Scope write, only for the school. */
  school: 'school-secret-0123456789',
  schoolAdmin: 'school-admin-secret-0123456789',
} as const;

/** Nothing listens there: no test calls the real WeChat. */
const NOWHERE = 'http://127.0.0.1:1';

export interface Call {
  method?: string;
  key?: keyof typeof KEYS | undefined;
  headers?: Record<string, string>;
  body?: string | Buffer;
  json?: unknown;
}

export interface TestServer {
  context: AppContext;
  /** Its DATA_DIR. */
  folder: string;
  url: string;
  server: RunningServer;
  log: string[];
  call(path: string, options?: Call): Promise<Response>;
  /** The JSON of a response. Fails unless it has this status, and unless an error is a problem as documented. */
  json<T = Record<string, unknown>>(path: string, call: Call, status?: number): Promise<T>;
  /** Sends a callback of WeChat in plain mode, signed; the options make it invalid. */
  callback(body: string, options?: CallbackOptions): Promise<Response>;
  /** The signed URL of such a callback, at any server. */
  callbackUrl(base: string, options?: CallbackOptions): string;
  /** Creates an archived media item with its object, as a worker leaves it. Resolves with its id. */
  createArchived(reference: Reference, content: StoredContent): Promise<string>;
  /** Creates a dead media item. Resolves with its id. */
  createDead(reference: Reference): Promise<string>;
  close(): Promise<void>;
}

export interface CallbackOptions {
  account?: string;
  token?: string;
  timestamp?: number;
  contentType?: string;
}

export interface StoredContent {
  body: Buffer;
  contentType: string;
  extension: string;
  fileName?: string;
}

export async function openTestServer(
  options: {
    http?: Partial<Config['http']>;
    accounts?: readonly Account[];
    limits?: ListenerLimits;
    wechat?: Partial<OpenServerOptions['wechat']>;
    /** Variables besides DATA_DIR. */
    environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-server-'));
  await cp(await databaseTemplate(), join(folder, 'database'), { recursive: true });
  const loaded = loadConfig({ ...options.environment, DATA_DIR: folder }, { dotEnvFolder: folder });
  const config = { ...loaded, http: { ...loaded.http, port: 0, ...options.http } };
  const log: string[] = [];
  const context = await openAppContext(config, {
    program: 'test',
    simulatedAccounts: options.accounts ?? [PLAIN, SAFE],
    writeLog: (line) => log.push(line),
  });
  const keys = parseApiKeys(
    [
      `read:${KEYS.read}`,
      `write:${KEYS.write}`,
      `admin:${KEYS.admin}`,
      `schoolRead:read@${SAFE.account}:${KEYS.schoolRead}`,
      `school:write@${SAFE.account}:${KEYS.school}`,
      `schoolAdmin:admin@${SAFE.account}:${KEYS.schoolAdmin}`,
    ].join(','),
  );
  if (!('value' in keys)) throw new Error(keys.wrong);
  const server = await openServer(context, {
    keys: keys.value,
    wechat: { apiBaseUrl: NOWHERE, wecomBaseUrl: NOWHERE, proxyUrl: undefined, ...options.wechat },
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const { url } = server;

  const call: TestServer['call'] = async (path, { method: given, key, headers, body, json } = {}) => {
    const method = given ?? (body !== undefined || json !== undefined ? 'POST' : 'GET');
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(key ? { authorization: `Bearer ${KEYS[key]}` } : {}),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? (body === undefined ? {} : { body }) : { body: JSON.stringify(json) }),
    });
    if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return response;
    const text = await response.clone().text();
    // A response to HEAD has no body.
    if (text !== '') assert.equal(undocumented(method, path, JSON.parse(text)), undefined);
    return response;
  };

  async function json<T>(path: string, options: Call, status = 200): Promise<T> {
    const response = await call(path, options);
    const text = await response.text();
    assert.equal(response.status, status, text);
    const body = JSON.parse(text);
    if (status >= 400) problemSchema.parse(body);
    return body as T;
  }

  /** Accepts the reference and claims its row, requeueing all others. */
  async function acceptAndClaim(
    reference: Reference,
  ): Promise<{ id: string; generation: number; account: string }> {
    const account = context.accounts.find(reference.account)!.account;
    await context.accept([{ ...reference, account }]);
    const id = idOf(account, reference.mediaId);
    const { claimed } = await context.catalogue.queue.claim(
      [{ account, capacity: 10_000 }],
      context.clock.now(),
      10_000,
    );
    await context.catalogue.queue.requeue(claimed.filter((job) => job.id !== id));
    return { id, generation: claimed.find((job) => job.id === id)!.generation, account };
  }

  return {
    context: context,
    folder,
    url,
    server,
    log,
    call,
    json,
    callbackUrl,
    callback: (body, options = {}) =>
      call(callbackUrl('', options), {
        body,
        headers: { 'content-type': options.contentType ?? 'text/xml' },
      }),
    createArchived: async (reference, { body, contentType, extension, fileName }) => {
      const { id, generation, account } = await acceptAndClaim(reference);
      const now = context.clock.now();
      const objectKey = objectKeyOf({ prefix: '', account, sentAt: now, id, source: 'media_get', extension });
      await context.catalogue.outcomes.reserve(
        { id, generation },
        { bucket: context.store.bucket, objectKey },
        now,
      );
      const { sizeBytes, sha256 } = await context.store.put({
        key: objectKey,
        body: (async function* () {
          yield body;
        })(),
        expect: { lengthBytes: body.length },
        contentType,
        contentDisposition: 'inline',
        metadata: {},
        signal: AbortSignal.timeout(10_000),
      });
      await context.catalogue.outcomes.markArchived(
        { id, generation, startedAt: now, endedAt: context.clock.now() },
        {
          bucket: context.store.bucket,
          objectKey,
          sizeBytes,
          sha256,
          contentType,
          fileName,
          source: 'media_get',
          lengthVerified: true,
        },
      );
      return id;
    },
    createDead: async (reference) => {
      const { id, generation } = await acceptAndClaim(reference);
      const now = context.clock.now();
      const { failure: why } = failure('too_large', 'WeChat said so');
      await context.catalogue.outcomes.markFailed(
        { id, generation, startedAt: now, endedAt: now },
        why,
        { to: 'dead' },
        true,
      );
      return id;
    },
    close: async () => {
      await context.shutdown.run('the test is over');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function callbackUrl(base: string, options: CallbackOptions = {}): string {
  const { account = PLAIN.account, token = PLAIN.token, timestamp = Math.floor(Date.now() / 1000) } = options;
  const signature = signatureOf(token, String(timestamp), '42');
  const query = new URLSearchParams({ signature, timestamp: String(timestamp), nonce: '42' });
  return `${base}/wechat/${account}?${query}`;
}

let serial = 0;
/** A reference with a new media id. */
export function reference(fields: Partial<Reference> = {}): Reference {
  serial++;
  return {
    account: PLAIN.account,
    mediaId: `media-${process.pid}-${serial}`,
    kind: 'image',
    sentAt: new Date(),
    ...fields,
  };
}
