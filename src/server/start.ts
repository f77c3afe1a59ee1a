/** Opens the server on its ports. */
import type { Account } from '../account.ts';
import type { AppContext } from '../app/app-context.ts';
import { atMostOncePerSecond, runChecks } from '../app/checks.ts';
import { openIngest } from '../app/server-parts/ingest.ts';
import { openPreviews } from '../app/server-parts/previews.ts';
import { keepConfiguredEndpoint } from '../app/webhooks/sending.ts';
import { openWechatApi, type WechatAddresses } from '../app/wechat-clients.ts';
import { renewAccounts } from '../app/worker.ts';
import type { ApiKey } from '../config/api-keys.ts';
import type { Config } from '../config/config.ts';
import { createAccountCheck } from '../pipeline/dispatch/check-account.ts';
import { LISTENER_LIMITS, type ListenerLimits } from '../runtime/network/server-limits.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import type { Shutdown } from '../runtime/shutdown.ts';
import { buildCallbackServer, buildServer } from './app.ts';
import { createAccess } from './auth/access.ts';
import type { App } from './route-deps.ts';
import { type Listener, openListener } from './start/listener.ts';

export interface RunningServer {
  /** The address of dashboard and API for programs on this machine. */
  readonly url: string;
  /** The address of CALLBACK_PORT, which serves only /wechat/; absent without CALLBACK_PORT. */
  readonly callbackUrl?: string;
  /** Returns a link that signs a browser in. It works once, for 15 minutes. */
  createLoginLink(): string;
}

export interface OpenServerOptions {
  readonly keys: readonly ApiKey[];
  readonly limits?: ListenerLimits;
  /** Where accounts are checked. Default: the configured addresses. */
  readonly wechat?: Pick<WechatAddresses, 'apiBaseUrl' | 'wecomBaseUrl' | 'proxyUrl'>;
  /** Default: they are opened. */
  readonly listeners?: Listeners;
}

/** How long requests in progress may take at shutdown before their connections are closed. */
const DRAIN_MS = 5_000;

export interface Listeners {
  /** HOST:PORT: dashboard, API and callbacks. */
  readonly main: Listener;
  /** CALLBACK_PORT, if it is set. */
  readonly callbacks?: Listener;
}

/**
 * Listens on HOST:PORT, and on CALLBACK_PORT if it is set. Until {@link openServer}, requests get a page or a problem
 * that the service is starting. Throws a StartError that names the variable if the port is in use.
 */
export async function openListeners(
  { http }: Pick<Config, 'http'>,
  shutdown: Pick<Shutdown, 'step'>,
  limits: ListenerLimits = LISTENER_LIMITS,
): Promise<Listeners> {
  const { host, port, callbackPort } = http;
  const open = async (name: string, port: number, portVariable: string) => {
    const listener = await openListener({ host, port, portVariable }, limits);
    shutdown.step(name, () => listener.close());
    return listener;
  };
  const main = await open('http listener', port, 'PORT');
  if (callbackPort === undefined) return { main };
  return { main, callbacks: await open('callback listener', callbackPort, 'CALLBACK_PORT') };
}

/**
 * Builds the routes, and serves them on the listeners, which are opened if they are not given. Throws a StartError that
 * names the variable if the port is in use.
 */
export async function openServer(
  context: AppContext,
  { keys, limits, wechat = context.config.wechat, listeners: given }: OpenServerOptions,
): Promise<RunningServer> {
  const { config, shutdown } = context;
  const ingest = await openIngest(context);
  keepConfiguredEndpoint(context);
  const repeatedLog = createRepeatedLog(context.log);
  shutdown.step('repeated log lines', async () => repeatedLog.close());
  const previews = openPreviews(context, repeatedLog);
  const runChecksOf = (accounts?: readonly string[]) =>
    runChecks(context.gather, {
      isDatabaseDown: () => ingest.state.isDatabaseDown,
      suspect: ingest.suspect,
      ...(accounts ? { accounts } : {}),
    });
  const runAllChecks = atMostOncePerSecond(() => runChecksOf());
  const checkAccount = createAccountCheck({ ...openWechatApi(context, wechat), clock: context.clock });
  const deps = {
    ...context,
    ingest,
    checkAccount: async (account: Account) => {
      // Its secret may have been corrected since the start.
      renewAccounts(context);
      return await checkAccount(context.accounts.find(account.account) ?? account);
    },
    repeatedLog,
    previews,
    ...(limits ? { limits } : {}),
    access: createAccess(keys, {
      clock: context.clock,
      revocations: context.catalogue.revocations,
      publicUrl: config.http.publicUrl,
      isDatabaseDown: () => ingest.state.isDatabaseDown,
    }),
    forgetChecks: runAllChecks.forget,
    runChecks: async (accounts?: readonly string[]) => (accounts ? runChecksOf(accounts) : runAllChecks()),
  };
  const { main, callbacks } = given ?? (await openListeners(config, shutdown, limits));
  serve(context, 'http server', main, await buildServer({ ...deps, listener: main }));
  const { url } = main;
  const createLoginLink = () => `${url}/login?ticket=${deps.access.createLoginTicket().ticket}`;
  if (!callbacks) return { url, createLoginLink };
  serve(context, 'callback server', callbacks, await buildCallbackServer({ ...deps, listener: callbacks }));
  return { url, callbackUrl: callbacks.url, createLoginLink };
}

/** Makes the listener serve the app. The app is closed after its last request has ended. */
function serve({ shutdown }: Pick<AppContext, 'shutdown'>, name: string, listener: Listener, app: App): void {
  listener.serve();
  shutdown.step(name, async () => {
    await listener.close(DRAIN_MS);
    await app.close();
  });
}
