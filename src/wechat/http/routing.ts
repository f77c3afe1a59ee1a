/** Which connection a request leaves on, and what it says there: straight, through a tunnel, or by way of a proxy. */
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { createLanes, type Lanes } from './connection-pool.ts';
import { proxyAuthorization, proxyConnector, proxyDialer } from './proxy-connect.ts';
import { guardedLookup, resolvePublic } from './ssrf-guard.ts';

export interface RouteOptions {
  readonly proxyUrl?: string | undefined;
  readonly idleTimeoutMs: number;
  /** Idle connections kept. How many are in use at once is bounded by whoever calls: one each. */
  readonly keepIdle?: number;
  /** DNS for guarded requests; the system's unless a test says otherwise. */
  readonly resolve?: Parameters<typeof guardedLookup>[0];
  /** With the authorities of WECHAT_CA_FILE. */
  readonly secureContext?: SecureContext | undefined;
}

export interface Route {
  readonly lanes: Lanes;
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy reads the request and may answer it itself. */
  readonly isForwarded: boolean;
}

export interface Routes {
  /** `guarded`: rejects with `address_refused` where the host leads to an address that is not public. */
  to(url: URL, guarded: boolean): Promise<Route>;
  close(): Promise<void>;
}

const KEEP_IDLE = 32;
const KEEP_IDLE_GUARDED = 4;

export function createRoutes(options: RouteOptions): Routes {
  const { proxyUrl, resolve, secureContext, idleTimeoutMs: timeout } = options;
  const limits = { headersTimeout: timeout, bodyTimeout: timeout };
  const tls = { timeout, allowH2: false, ...(secureContext && { secureContext }) };
  const open = (keep: number, connect: buildConnector.connector) => createLanes({ keep, limits, connect });
  const keepIdle = options.keepIdle ?? KEEP_IDLE;
  const pin = (hostname: string, signal: AbortSignal) => resolvePublic(hostname, resolve, signal);
  const proxy = proxyUrl ? { proxyUrl, timeoutMs: timeout, secureContext } : undefined;
  const lanes = proxy
    ? {
        open: open(keepIdle, proxyConnector(proxy)),
        // The name is resolved and checked by us, and the proxy told the address.
        guarded: open(KEEP_IDLE_GUARDED, proxyConnector({ ...proxy, resolve: pin })),
        forward: open(keepIdle, proxyDialer(proxy)),
      }
    : {
        open: open(keepIdle, buildConnector(tls)),
        guarded: open(KEEP_IDLE_GUARDED, buildConnector({ ...tls, lookup: guardedLookup(resolve) })),
      };
  const authorization = proxyUrl && proxyAuthorization(proxyUrl);

  return {
    to: async (url, guarded) => {
      const path = url.pathname + url.search;
      if (!proxyUrl || !lanes.forward || url.protocol !== 'http:')
        return {
          lanes: guarded ? lanes.guarded : lanes.open,
          origin: url.origin,
          path,
          headers: {},
          isForwarded: false,
        };
      // A proxy takes the host out of the request line, whatever Host says, so that the name must stand there. It
      // resolves it once more; names that get here are WeChat's own.
      if (guarded) await pin(url.hostname, AbortSignal.timeout(timeout));
      return {
        lanes: lanes.forward,
        origin: new URL(proxyUrl).origin,
        path: `http://${url.host}${path}`,
        headers: { host: url.host, ...(authorization && { 'proxy-authorization': authorization }) },
        isForwarded: true,
      };
    },
    close: async () => {
      await Promise.all(Object.values(lanes).map((each) => each.close()));
    },
  };
}
