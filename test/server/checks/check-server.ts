/** A server with a real Postgres, Redis and alert receiver, and a proxy in front of the store that injects faults. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openAppContext } from '../../../src/app/app-context.ts';
import { parseApiKeys } from '../../../src/config/api-keys.ts';
import { loadConfig } from '../../../src/config/config.ts';
import type { Alert } from '../../../src/pipeline/alerts/message.ts';
import { createAlertSender } from '../../../src/pipeline/alerts/sender.ts';
import { createAlertWatch } from '../../../src/pipeline/alerts/watch.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { openServer } from '../../../src/server/start.ts';
import { createJsonClient } from '../../../src/wechat/http/json-client.ts';
import { foreignS3 } from '../../end-to-end/foreign-s3.ts';
import { folderForTest } from '../../machine/cleanup.ts';
import { postgresForTest, startRedis } from '../../machine/services.ts';
import { openReceiver } from '../../pipeline/alerts/receiver.ts';
import { eventually } from '../../queue/handled.ts';

export const ACCOUNT = 'wx00000000000000aa';
export const WECOM = 'ww00000000000000bb-1000002';
const ACCOUNTS_FILE = [
  { appId: ACCOUNT, secret: 'app-secret-of-the-shop', token: 'callbacktoken' },
  {
    product: 'wecom',
    corpId: 'ww00000000000000bb',
    agentId: 1000002,
    secret: 'secret-of-the-corporation',
    token: 'callbacktoken',
    encodingAesKey: 'b'.repeat(43),
  },
];
const KEY = 'a-key-of-the-test-of-checks-0123456789';
const EVERY_MS = 50;

/** A proxy in front of the store: forwards, responds with an S3 error, or closes the connection. */
export async function openStoreProxy(t: TestContext, endpoint: string) {
  let fault: { status: number; code: string; matches: (path: string) => boolean } | 'close' | undefined;
  const to = new URL(endpoint);
  const server = createServer((request, response) => {
    if (fault === 'close') return void request.socket.destroy();
    if (fault?.matches(request.url ?? '')) {
      request.resume();
      const { status, code } = fault;
      response.writeHead(status, { 'content-type': 'application/xml' });
      return void response.end(request.method === 'HEAD' ? undefined : `<Error><Code>${code}</Code></Error>`);
    }
    const { method, url: path, headers } = request;
    const forwarded = forward({ host: to.hostname, port: to.port, method, path, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    request.pipe(forwarded);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuse: (status: number, code: string, matches: (path: string) => boolean = () => true) => {
      fault = { status, code, matches };
    },
    closeConnections: () => {
      fault = 'close';
    },
    forward: () => {
      fault = undefined;
    },
  };
}

interface Doctor {
  ok: boolean;
  checks: { name: string; ok: boolean; code?: string; message: string; advice?: string }[];
}

/** `url`: a database that the test may stop. Default: one on the shared server. */
export async function openCheckServer(t: TestContext, url?: string) {
  const database = url ?? (await postgresForTest(t));
  const redis = await startRedis(t);
  if (!database || !redis) return undefined;
  const s3 = await foreignS3(t);
  const storeProxy = await openStoreProxy(t, s3.env.S3_ENDPOINT);
  const folder = await folderForTest(t);
  const accountsFile = join(folder, 'accounts.json');
  await writeFile(accountsFile, JSON.stringify(ACCOUNTS_FILE));
  const config = loadConfig(
    {
      ...s3.env,
      S3_ENDPOINT: storeProxy.endpoint,
      DATABASE_URL: database,
      REDIS_URL: redis.url,
      DATA_DIR: folder,
      ACCOUNTS_FILE: accountsFile,
      API_KEYS: `admin:${KEY}`,
      ALLOW_EMBEDDED: '1',
    },
    { dotEnvFolder: folder },
  );
  const log: string[] = [];
  const context = await openAppContext(
    { ...config, http: { ...config.http, port: 0, host: '127.0.0.1' } },
    { program: 'server', writeLog: (line) => log.push(line) },
  );
  t.after(() => context.shutdown.run('the test is over'));
  const keys = parseApiKeys(`admin:${KEY}`);
  if (!('value' in keys)) throw new Error(keys.wrong);
  const server = await openServer(context, { keys: keys.value });

  const receiver = await openReceiver(t, [{ status: 204 }]);
  const http = createJsonClient({ timeoutMs: 5_000 });
  t.after(() => http.close());
  const sender = createAlertSender(
    { http, clock: context.clock, log: context.log, metrics: createMetrics() },
    { url: `${receiver.url}/hook`, secrets: [] },
  );
  const watch = createAlertWatch(
    { ...context, sender, naming: { nameOf: (id) => id, publicUrl: undefined } },
    { alertsOnCatalogue: true, everyMs: EVERY_MS, afterMs: () => 0 },
  );

  const headers = { authorization: `Bearer ${KEY}` };
  const json = async <T>(path: string, init: RequestInit = {}): Promise<T> =>
    (await fetch(server.url + path, { ...init, headers })).json() as Promise<T>;
  const signal = AbortSignal.timeout(280_000);

  /** Whether health, dashboard and metric show each code. */
  async function shown(codes: readonly string[]) {
    const [ready, stats, metrics] = await Promise.all([
      json<{ degraded: string[] }>('/readyz'),
      json<{ checks?: { code: string }[] }>('/v1/stats'),
      fetch(`${server.url}/metrics`, { headers }).then((response) => response.text()),
    ]);
    const isFailing = (code: string) =>
      new RegExp(`^wma_check_failing\\{code="${code}"\\} [1-9]`, 'm').test(metrics);
    return new Map(
      codes.map((code) => [
        code,
        {
          readyz: ready.degraded.includes(code),
          page: stats.checks?.some((check) => check.code === code) ?? false,
          metric: isFailing(code),
        },
      ]),
    );
  }
  const doctor = () => json<Doctor>('/v1/doctor', { method: 'POST' });

  return {
    url: server.url,
    context,
    storeProxy,
    redis,
    s3,
    log,
    shown,
    doctor,
    alerts: (code: string) =>
      receiver.requests.map(({ body }) => body as Alert).filter(({ kind }) => kind === code),
    /** Resolves once the receiver has got the alert of the code in this state. */
    alerted: (code: string, state: string) =>
      eventually(`the alert ${code} ${state}`, async () => {
        const hasArrived = () =>
          receiver.requests.some(({ body }) => {
            const alert = body as Alert;
            return alert.kind === code && alert.state === state;
          });
        // One check may send many alerts: it is repeated only where this one has not arrived.
        if (!hasArrived()) await watch.check(signal);
        return hasArrived();
      }),
    checkAlerts: () => watch.check(signal),
    query: (text: string, values: unknown[] = []) => context.database.query(text, values),
    readyz: async () => await (await fetch(`${server.url}/readyz`)).text(),
  };
}

export type CheckServer = NonNullable<Awaited<ReturnType<typeof openCheckServer>>>;
