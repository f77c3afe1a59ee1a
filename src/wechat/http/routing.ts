/** Which connection a request leaves on, and what it says there: straight, through a tunnel, or by way of a proxy. */
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts';
import { createProxyDialer, createTunnelConnector, proxyAuthorization } from './proxy-connect.ts';
import { resolvePublicAddress, ssrfGuardedLookup } from './ssrf-guard.ts';

export interface RouteOptions {
  readonly proxyUrl?: string | undefined;
  readonly idleTimeoutMs: number;
  /** Idle connections kept. How many are in use at once is bounded by whoever calls: one each. */
  readonly maxIdleConnections?: number;
  /** DNS for guarded requests; the system's unless a test says otherwise. */
  readonly resolve?: Parameters<typeof ssrfGuardedLookup>[0];
  /** With the authorities of WECHAT_CA_FILE. */
  readonly secureContext?: SecureContext | undefined;
}

export interface Route {
  readonly pool: ConnectionPool;
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

const MAX_IDLE = 32;
const MAX_IDLE_SSRF_GUARDED = 4;

export function createRoutes(options: RouteOptions): Routes {
  const { proxyUrl, resolve, secureContext, idleTimeoutMs: timeout } = options;
  const limits = { headersTimeout: timeout, bodyTimeout: timeout };
  const tls = { timeout, allowH2: false, ...(secureContext && { secureContext }) };
  const createPool = (keep: number, connect: buildConnector.connector) =>
    createConnectionPool({ maxIdle: keep, limits, connect });
  const keepIdle = options.maxIdleConnections ?? MAX_IDLE;
  const pin = (hostname: string, signal: AbortSignal) => resolvePublicAddress(hostname, resolve, signal);
  const proxy = proxyUrl ? { proxyUrl, timeoutMs: timeout, secureContext } : undefined;
  const pools = proxy
    ? {
        open: createPool(keepIdle, createTunnelConnector(proxy)),
        // The name is resolved and checked by us, and the proxy told the address.
        guarded: createPool(MAX_IDLE_SSRF_GUARDED, createTunnelConnector({ ...proxy, resolve: pin })),
        forward: createPool(keepIdle, createProxyDialer(proxy)),
      }
    : {
        open: createPool(keepIdle, buildConnector(tls)),
        guarded: createPool(
          MAX_IDLE_SSRF_GUARDED,
          buildConnector({ ...tls, lookup: ssrfGuardedLookup(resolve) }),
        ),
      };
  const authorization = proxyUrl && proxyAuthorization(proxyUrl);

  return {
    to: async (url, guarded) => {
      const path = url.pathname + url.search;
      if (!proxyUrl || !pools.forward || url.protocol !== 'http:')
        return {
          pool: guarded ? pools.guarded : pools.open,
          origin: url.origin,
          path,
          headers: {},
          isForwarded: false,
        };
      // A proxy takes the host out of the request line, whatever Host says, so that the name must stand there. It
      // resolves it once more; names that get here are WeChat's own.
      if (guarded) await pin(url.hostname, AbortSignal.timeout(timeout));
      return {
        pool: pools.forward,
        origin: new URL(proxyUrl).origin,
        path: `http://${url.host}${path}`,
        headers: { host: url.host, ...(authorization && { 'proxy-authorization': authorization }) },
        isForwarded: true,
      };
    },
    close: async () => {
      await Promise.all(Object.values(pools).map((each) => each.close()));
    },
  };
}
