/** A fake S3 with versions, delete markers and object lock, for erasures. It verifies no signature. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { StoreOptions } from '../../src/storage/store.ts';

interface Version {
  readonly id: string;
  /** Undefined: a delete marker. */
  readonly body: Buffer | undefined;
  readonly headers: Record<string, string>;
  readonly retainUntil?: Date;
  legalHold: boolean;
}

export interface VersionedS3 {
  /** The options of a store that uses it. */
  readonly options: Omit<StoreOptions, 'clock'>;
  /** Newest first; delete markers as `marker`. */
  versions(key: string): { id: string; body: string }[];
  readonly keys: string[];
  /** Locks the versions that are added from now on. */
  lock(retainUntil: Date | undefined, legalHold?: boolean): void;
  /** Unlocks all versions. */
  unlock(): void;
  /** The response to a list of versions; default: correct, two to a page. */
  listing: 'true' | 'refused' | 'unknown' | 'ignored';
  /** Called before a version is deleted. */
  meanwhile: (() => Promise<unknown>) | undefined;
  /** The status of every response while it is set. */
  status: number | undefined;
}

const xml = (response: ServerResponse, status: number, text: string) =>
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${text}`);
const refuse = (response: ServerResponse, status: number, code: string) =>
  xml(response, status, `<Error><Code>${code}</Code><Message>no</Message></Error>`);

export async function openVersionedS3(
  t: Pick<TestContext, 'after'>,
  { bucket = 'media', versioning = true } = {},
): Promise<VersionedS3> {
  const objects = new Map<string, Version[]>();
  let serial = 0;
  let retainUntil: Date | undefined;
  let legalHold = false;
  const lockOf = () => ({ ...(retainUntil ? { retainUntil } : {}), legalHold });

  function add(key: string, body: Buffer | undefined, headers: Record<string, string>): Version {
    const version = { id: versioning ? `v${++serial}` : 'null', body, headers, ...lockOf() };
    objects.set(key, [version, ...(versioning ? (objects.get(key) ?? []) : [])]);
    return version;
  }

  function list(response: ServerResponse, query: URLSearchParams): unknown {
    if (s3.listing === 'refused') return refuse(response, 403, 'AccessDenied');
    if (s3.listing === 'unknown') return refuse(response, 501, 'NotImplemented');
    if (s3.listing === 'ignored') return xml(response, 200, '<ListBucketResult></ListBucketResult>');
    const all = [...objects]
      .filter(([key]) => key.startsWith(query.get('prefix') ?? ''))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, versions]) => versions.map((version) => ({ key, version })));
    const [key, id] = [query.get('key-marker'), query.get('version-id-marker')];
    const from = key ? all.findIndex((one) => one.key === key && one.version.id === id) + 1 : 0;
    const page = all.slice(from, from + 2);
    const last = page.at(-1);
    const isTruncated = from + 2 < all.length;
    const entries = page.map(({ key, version }) => {
      const element = version.body ? 'Version' : 'DeleteMarker';
      return `<${element}><Key>${key}</Key><VersionId>${version.id}</VersionId></${element}>`;
    });
    const next = isTruncated
      ? `<NextKeyMarker>${last?.key}</NextKeyMarker><NextVersionIdMarker>${last?.version.id}</NextVersionIdMarker>`
      : '';
    return xml(
      response,
      200,
      `<ListVersionsResult><IsTruncated>${isTruncated}</IsTruncated>${next}${entries.join('')}</ListVersionsResult>`,
    );
  }

  function remove(response: ServerResponse, key: string, id: string | null): unknown {
    const versions = objects.get(key) ?? [];
    if (id === null && versioning) {
      const marker = add(key, undefined, {});
      Object.assign(marker, { retainUntil: undefined, legalHold: false });
      return response.writeHead(204, { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.id }).end();
    }
    const found = versions.find((version) => version.id === (id ?? 'null'));
    if (found && (found.legalHold || (found.retainUntil && found.retainUntil > new Date())))
      return refuse(response, 403, 'AccessDenied');
    const rest = versions.filter((version) => version !== found);
    if (rest.length > 0) objects.set(key, rest);
    else objects.delete(key);
    return response.writeHead(204).end();
  }

  function look(request: IncomingMessage, response: ServerResponse, key: string, id: string | null): unknown {
    const [newest, ...older] = objects.get(key) ?? [];
    const found = id === null ? newest : [newest, ...older].find((version) => version?.id === id);
    const versionHeader = versioning && found ? { 'x-amz-version-id': found.id } : {};
    if (!found) return refuse(response, 404, 'NoSuchKey');
    if (!found.body) {
      response.setHeader('x-amz-delete-marker', 'true').setHeader('x-amz-version-id', found.id);
      return id === null ? refuse(response, 404, 'NoSuchKey') : refuse(response, 405, 'MethodNotAllowed');
    }
    response.writeHead(200, {
      ...found.headers,
      ...versionHeader,
      'content-length': found.body.length,
      ...(found.retainUntil && {
        'x-amz-object-lock-mode': 'COMPLIANCE',
        'x-amz-object-lock-retain-until-date': found.retainUntil.toISOString(),
      }),
      ...(found.legalHold && { 'x-amz-object-lock-legal-hold': 'ON' }),
    });
    return response.end(request.method === 'HEAD' ? undefined : found.body);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (s3.status !== undefined) return refuse(response, s3.status, 'ServiceUnavailable');
    const url = new URL(request.url ?? '/', 'http://s3');
    const key = decodeURIComponent(url.pathname.slice(`/${bucket}/`.length));
    const id = url.searchParams.get('versionId');
    if (url.searchParams.has('versions')) return list(response, url.searchParams);
    if (url.searchParams.has('uploadId')) return refuse(response, 404, 'NoSuchUpload');
    if (request.method === 'DELETE') {
      if (id !== null) await s3.meanwhile?.();
      return remove(response, key, id);
    }
    if (request.method !== 'PUT') return look(request, response, key, id);
    // AWS insists on it for whatever is kept by a rule of the bucket.
    if (retainUntil || legalHold) {
      const md5 = request.headers['content-md5'];
      if (!md5) return refuse(response, 400, 'InvalidRequest');
      if (md5 !== createHash('md5').update(Buffer.concat(chunks)).digest('base64'))
        return refuse(response, 400, 'BadDigest');
    }
    const kept = Object.entries(request.headers).filter(([name]) => /^(content-type|x-amz-meta-)/.test(name));
    const version = add(key, Buffer.concat(chunks), Object.fromEntries(kept) as Record<string, string>);
    return response
      .writeHead(200, { etag: '"e"', ...(versioning && { 'x-amz-version-id': version.id }) })
      .end();
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const s3: VersionedS3 = {
    options: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      bucket,
      region: 'us-east-1',
      addressing: 'path',
      accessKeyId: 'AK',
      secretAccessKey: 'a-secret-for-tests-only',
      prefix: '',
    },
    versions: (key) =>
      (objects.get(key) ?? []).map(({ id, body }) => ({ id, body: body?.toString() ?? 'marker' })),
    get keys() {
      return [...objects.keys()];
    },
    lock: (until, held = false) => {
      retainUntil = until;
      legalHold = held;
    },
    unlock: () => {
      for (const version of [...objects.values()].flat())
        Object.assign(version, { retainUntil: undefined, legalHold: false });
    },
    listing: 'true',
    meanwhile: undefined,
    status: undefined,
  };
  return s3;
}
