/** The server on its ports, and what to tell whoever started it. */

import type { AppContext } from '../app/app-context.ts';
import { atMostOncePerSecond, runChecks } from '../app/checks.ts';
import { openIngest } from '../app/ingest.ts';
import { listenError } from '../app/run.ts';
import type { ApiKey } from '../config/api-keys.ts';
import type { Config } from '../config/config.ts';
import type { ListenerLimits } from '../runtime/network/server-limits.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import { buildCallbackServer, buildServer } from './app.ts';
import { createAccess } from './auth/access.ts';
import { callbackUrlOf } from './callbacks/callback-url.ts';
import type { App } from './route-deps.ts';

export interface RunningServer {
  /** Where the page and the API answer, as reached from this machine. */
  readonly url: string;
  /** Where /wechat/ alone answers; absent without CALLBACK_PORT. */
  readonly callbackUrl?: string;
  /** A link that signs a browser in, good once within a quarter of an hour. */
  createLoginLink(): string;
}

/** How long answers in progress may take once closing has begun; then their connections are cut. */
const ANSWERS_MS = 5_000;

/** Listens on HOST:PORT, and on CALLBACK_PORT where set. A port that is taken throws a sentence with its variable. */
export async function openServer(
  parts: AppContext,
  { keys, limits }: { keys: readonly ApiKey[]; limits?: ListenerLimits },
): Promise<RunningServer> {
  const { host, port, callbackPort } = parts.config.http;
  const intake = await openIngest(parts);
  const repeatedLog = createRepeatedLog(parts.log);
  parts.shutdown.step('repeated log lines', async () => repeatedLog.close());
  const lookAt = (accounts?: readonly string[]) =>
    runChecks(parts.gather, {
      isAway: () => intake.state.isDatabaseDown,
      suspect: intake.suspect,
      ...(accounts ? { accounts } : {}),
    });
  const lookAtAll = atMostOncePerSecond(() => lookAt());
  const deps = {
    ...parts,
    intake,
    repeatedLog,
    ...(limits ? { limits } : {}),
    access: createAccess(keys, {
      clock: parts.clock,
      revocations: parts.catalogue.revocations,
      publicUrl: parts.config.http.publicUrl,
      isAway: () => intake.state.isDatabaseDown,
    }),
    runChecks: async (accounts?: readonly string[]) => (accounts ? lookAt(accounts) : lookAtAll()),
  };
  const url = await listen(parts, 'http server', await buildServer(deps), {
    host,
    port,
    portVariable: 'PORT',
  });
  const createLoginLink = () => `${url}/login?ticket=${deps.access.createLoginTicket().ticket}`;
  if (callbackPort === undefined) return { url, createLoginLink };
  const callbackUrl = await listen(parts, 'callback server', await buildCallbackServer(deps), {
    host,
    port: callbackPort,
    portVariable: 'CALLBACK_PORT',
  });
  return { url, callbackUrl, createLoginLink };
}

async function listen(
  parts: Pick<AppContext, 'shutdown'>,
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
  parts.shutdown.step(name, async () => {
    const timer = setTimeout(() => app.server.closeAllConnections(), ANSWERS_MS);
    await app.close().finally(() => clearTimeout(timer));
  });
  const { port } = app.server.address() as { port: number };
  return `http://${localHost(at.host)}:${port}`;
}

/** A wildcard is no address a browser can open. */
function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/**
 * Whether the output of this program may hold a login link: a terminal, which a person reads, or the embedded shape.
 * The output of a server in production is a log that others read too; there `wma login` makes a link.
 */
export function mayShowLoginLink(
  { production, shape }: Pick<Config, 'production' | 'shape'>,
  output: { readonly isTTY?: boolean },
): boolean {
  return output.isTTY === true || (shape.database === 'embedded' && !production);
}

/** What is printed at start: the page, the addresses to paste into WeChat's console, the key's file. */
export function startMessage(
  parts: Pick<AppContext, 'accounts' | 'config'>,
  server: RunningServer,
  options: { showLoginLink: boolean; keyFile?: string | undefined },
): string {
  const { http, shape } = parts.config;
  const { publicUrl } = http;
  const base = publicUrl ?? server.callbackUrl ?? server.url;
  const callbacks = parts.accounts.all.map(({ account, name }) => {
    const url = callbackUrlOf(base, account);
    return name ? `${url}  (${name})` : url;
  });
  const isReached = publicUrl !== undefined || shape.wechat === 'simulated';
  const hint = isReached ? [] : ['set PUBLIC_URL to the address by which the Internet reaches this server'];
  const lines: [string, readonly string[]][] = [
    [
      'Page',
      options.showLoginLink
        ? [server.createLoginLink(), 'signs this browser in; good once, for 15 minutes']
        : [server.url, 'sign in with an API key, or with a link that wma login makes'],
    ],
    ["For WeChat's console", [...callbacks, ...hint]],
    ['API key', options.keyFile ? [options.keyFile] : []],
  ];
  const text = lines
    .filter(([, values]) => values.length > 0)
    .map(([title, values]) => `  ${title}\n${values.map((value) => `    ${value}\n`).join('')}`);
  return `\n${text.join('\n')}\n`;
}
