/** Collects the evidence: the API, a listing of the bucket, the simulator's request log, dumps of database and Redis. */
import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  S3Client,
} from '@aws-sdk/client-s3';
import { PGlite } from '@electric-sql/pglite';
import { Redis } from 'ioredis';
import pg from 'pg';
import {
  type ApiRow,
  type Digest,
  digestKey,
  EVIDENCE,
  type RunFacts,
  type StoredObject,
} from './check/evidence.ts';
import type { Fixture } from './fixture.ts';
import type { StoreAccess } from './machines.ts';
import type { SentLine } from './sender.ts';

const AT_ONCE = 8;

async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** GET of the API as an admin; throws at anything but 2xx. */
export async function askApi<Body>(fixture: Fixture, path: string): Promise<Body> {
  const response = await fetch(`${fixture.url}${path}`, {
    headers: { authorization: `Bearer ${fixture.apiKey}` },
    signal: AbortSignal.timeout(15_000),
  });
  if (!response.ok) throw new Error(`GET ${path}: status ${response.status}`);
  return (await response.json()) as Body;
}

export async function allRows(fixture: Fixture): Promise<ApiRow[]> {
  const rows: ApiRow[] = [];
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: ApiRow[]; nextCursor: string | null } = await askApi(
      fixture,
      `/v1/media?limit=200${after}`,
    );
    rows.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return rows;
}

function clientOf(access: StoreAccess): S3Client {
  return new S3Client({
    endpoint: access.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
  });
}

export async function openUploads(access: StoreAccess) {
  const client = clientOf(access);
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: access.bucket }));
    return Uploads.map(({ Key = '', UploadId = '' }) => ({ key: Key, uploadId: UploadId }));
  } finally {
    client.destroy();
  }
}

async function allObjects(access: StoreAccess): Promise<StoredObject[]> {
  const client = clientOf(access);
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client.send(
      new ListObjectsV2Command({ Bucket: access.bucket, ...(token && { ContinuationToken: token }) }),
    );
    keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    token = page.NextContinuationToken;
  } while (token);
  const objects: StoredObject[] = [];
  await inParallel(keys, async (key) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: access.bucket, Key: key }));
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of Body as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
    objects.push({ key, sizeBytes, sha256: hash.digest('hex') });
  });
  client.destroy();
  return objects;
}

/** What every file must be, from the stand-in. */
async function allDigests(fixture: Fixture, ids: readonly { account: string; mediaId: string }[]) {
  const digests: Record<string, Digest> = {};
  await inParallel(ids, async ({ account, mediaId }) => {
    const digest = await fixture.wechat.digest(account, mediaId).catch(() => undefined);
    if (digest) digests[digestKey(account, mediaId)] = digest;
  });
  return digests;
}

const TABLES = `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;

type Query = (sql: string) => Promise<{ rows: unknown[] }>;

async function dumpTables(query: Query, file: string): Promise<void> {
  const out = createWriteStream(file);
  for (const { name } of (await query(TABLES)).rows as { name: string }[]) {
    for (const { row } of (await query(`SELECT to_jsonb(t) AS row FROM ${name} t`)).rows as {
      row: unknown;
    }[])
      out.write(`${JSON.stringify({ table: name.split('.').at(-1), row })}\n`);
  }
  await new Promise((resolve) => out.end(resolve));
}

/** Called when the service has ended: the embedded database allows one process. */
async function dumpDatabase(fixture: Fixture, file: string): Promise<void> {
  if (fixture.postgres) {
    const client = new pg.Client({ connectionString: fixture.postgres.url });
    await client.connect();
    await dumpTables((sql) => client.query(sql), file);
    await client.end();
  } else {
    const copy = join(fixture.folder, 'database-copy');
    await cp(join(fixture.folder, 'data-all', 'database'), copy, { recursive: true });
    const database = await PGlite.create(copy);
    await dumpTables((sql) => database.query(sql), file);
    await database.close();
  }
}

async function dumpRedis(url: string, file: string): Promise<void> {
  const redis = new Redis(url);
  const out = createWriteStream(file);
  for await (const keys of redis.scanStream()) {
    for (const key of keys as string[]) {
      const type = await redis.type(key);
      const read: Record<string, () => Promise<unknown>> = {
        string: () => redis.get(key),
        hash: () => redis.hgetall(key),
        list: () => redis.lrange(key, 0, -1),
        set: () => redis.smembers(key),
        zset: () => redis.zrange(key, '0', '-1', 'WITHSCORES'),
        stream: () => redis.xrange(key, '-', '+'),
      };
      out.write(`${JSON.stringify({ key, value: await read[type]?.() })}\n`);
    }
  }
  redis.disconnect();
  await new Promise((resolve) => out.end(resolve));
}

/** `hasRows`: there is an API and a database to ask. Ends the processes. */
export async function collect(
  fixture: Fixture,
  facts: Omit<RunFacts, 'secrets'>,
  sent: readonly SentLine[],
  hasRows: boolean,
): Promise<void> {
  const folder = join(fixture.folder, EVIDENCE);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), JSON.stringify(value, null, 1));
  const access = await fixture.storeAccess();
  const rows = hasRows ? await allRows(fixture) : [];
  writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  write('objects.json', await allObjects(access));
  write('uploads.json', await openUploads(access));
  write('request-log.json', await fixture.wechat.requestLog());
  const ids = new Map<string, { account: string; mediaId: string }>();
  const named = [
    ...sent.flatMap(({ account, mediaIds }) => mediaIds.map((mediaId) => ({ account, mediaId }))),
    ...rows.flatMap(({ account, mediaId }) => (mediaId ? [{ account, mediaId }] : [])),
  ];
  for (const one of named) ids.set(digestKey(one.account, one.mediaId), one);
  write('digests.json', await allDigests(fixture, [...ids.values()]));
  write('run.json', { ...facts, secrets: await fixture.secrets() } satisfies RunFacts);
  await fixture.processes.stop();
  if (hasRows) await dumpDatabase(fixture, join(folder, 'database.jsonl'));
  if (fixture.redis) await dumpRedis(fixture.redis.url, join(folder, 'redis.jsonl'));
}
