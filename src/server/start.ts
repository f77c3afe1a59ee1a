/** Opens the server on its ports, and formats the message printed at start. */
import type { AppContext } from '../app/app-context.ts';
import { atMostOncePerSecond, runChecks } from '../app/checks.ts';
import { openIngest } from '../app/ingest.ts';
import { listenError } from '../app/run.ts';
import type { ApiKey } from '../config/api-keys.ts';
import type { Config } from '../config/config.ts';
import type { ListenerLimits } from '../runtime/network/server-limits.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import { settledWithin } from '../runtime/timeout.ts';
import { buildCallbackServer, buildServer } from './app.ts';
import { createAccess } from './auth/access.ts';
import { callbackUrlOf } from './callbacks/callback-url.ts';
import type { App } from './route-deps.ts';

export interface RunningServer {
  /** The address of dashboard and API for programs on this machine. */
  readonly url: string;
  /** The address of CALLBACK_PORT, which serves only /wechat/; absent without CALLBACK_PORT. */
  readonly callbackUrl?: string;
  /** Returns a link that signs a browser in. It works once, for 15 minutes. */
  createLoginLink(): string;
}

/** How long requests in progress may take at shutdown before their connections are closed. */
const DRAIN_MS = 5_000;

/**
 * Listens on HOST:PORT, and on CALLBACK_PORT if it is set. Throws a StartError that names the variable if the port is
 * in use.
 */
export async function openServer(
  context: AppContext,
  { keys, limits }: { keys: readonly ApiKey[]; limits?: ListenerLimits },
): Promise<RunningServer> {
  const { host, port, callbackPort } = context.config.http;
  const ingest = await openIngest(context);
  const repeatedLog = createRepeatedLog(context.log);
  context.shutdown.step('repeated log lines', async () => repeatedLog.close());
  const runChecksOf = (accounts?: readonly string[]) =>
    runChecks(context.gather, {
      isDatabaseDown: () => ingest.state.isDatabaseDown,
      suspect: ingest.suspect,
      ...(accounts ? { accounts } : {}),
    });
  const runAllChecks = atMostOncePerSecond(() => runChecksOf());
  const deps = {
    ...context,
    ingest,
    repeatedLog,
    ...(limits ? { limits } : {}),
    access: createAccess(keys, {
      clock: context.clock,
      revocations: context.catalogue.revocations,
      publicUrl: context.config.http.publicUrl,
      isDatabaseDown: () => ingest.state.isDatabaseDown,
    }),
    runChecks: async (accounts?: readonly string[]) => (accounts ? runChecksOf(accounts) : runAllChecks()),
  };
  const url = await listen(context, 'http server', await buildServer(deps), {
    host,
    port,
    portVariable: 'PORT',
  });
  const createLoginLink = () => `${url}/login?ticket=${deps.access.createLoginTicket().ticket}`;
  if (callbackPort === undefined) return { url, createLoginLink };
  const callbackUrl = await listen(context, 'callback server', await buildCallbackServer(deps), {
    host,
    port: callbackPort,
    portVariable: 'CALLBACK_PORT',
  });
  return { url, callbackUrl, createLoginLink };
}

async function listen(
  context: Pick<AppContext, 'shutdown'>,
  name: string,
  app: App,
  at: { host: string; port: number; portVariable: string },
): Promise<string> {
  try {
    await app.listen({ host: at.host, port: at.port });
  } catch (error) {
    await app.close();
    throw listenError(error, at);
  }
  context.shutdown.step(name, async () => {
    const closing = app.close();
    if (!(await settledWithin(closing, DRAIN_MS))) app.server.closeAllConnections();
    await closing;
  });
  const { port } = app.server.address() as { port: number };
  return `http://${localHost(at.host)}:${port}`;
}

/** Returns the host by which this machine reaches a server that listens on `host`, which may be a wildcard. */
function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/**
 * Whether a login link may be printed: on a terminal, or with the embedded database outside production. The output of a
 * server in production is a log that more people can read; there, `wma login` creates a link.
 */
export function mayShowLoginLink(
  { production, shape }: Pick<Config, 'production' | 'shape'>,
  output: { readonly isTTY?: boolean },
): boolean {
  return output.isTTY === true || (shape.database === 'embedded' && !production);
}

/** Returns the message that is printed at start: the dashboard, the addresses for WeChat's console, the key file. */
export function startMessage(
  context: Pick<AppContext, 'accounts' | 'config'>,
  server: RunningServer,
  options: { showLoginLink: boolean; keyFile?: string | undefined },
): string {
  const { http, shape } = context.config;
  const { publicUrl } = http;
  const base = publicUrl ?? server.callbackUrl ?? server.url;
  const callbacks = context.accounts.all.map(({ account, name }) => {
    const url = callbackUrlOf(base, account);
    return name ? `${url}  (${name})` : url;
  });
  const isReachable = publicUrl !== undefined || shape.wechat === 'simulated';
  const hint = isReachable ? [] : ['set PUBLIC_URL to the address by which the Internet reaches this server'];
  const sections: [string, readonly string[]][] = [
    [
      'Page',
      options.showLoginLink
        ? [server.createLoginLink(), 'signs this browser in; works once, for 15 minutes']
        : [server.url, 'sign in with an API key, or with a link of wma login'],
    ],
    ["For WeChat's console", [...callbacks, ...hint]],
    ['API key', options.keyFile ? [options.keyFile] : []],
  ];
  const text = sections
    .filter(([, values]) => values.length > 0)
    .map(([title, values]) => `  ${title}\n${values.map((value) => `    ${value}\n`).join('')}`);
  return `\n${text.join('\n')}\n`;
}
