/** Chooses the connection and the form of a request: direct, through a tunnel, or forwarded by a proxy. */
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts';
import { createProxyDialer, createTunnelConnector, proxyAuthorization } from './proxy-connect.ts';
import { resolvePublicAddress, ssrfGuardedLookup } from './ssrf-guard.ts';

export interface RouteOptions {
  readonly proxyUrl?: string | undefined;
  readonly idleTimeoutMs: number;
  /** How many idle connections stay open; default 32. The caller limits how many are in use at once. */
  readonly maxIdleConnections?: number;
  /** The DNS lookup for requests with the SSRF guard; default: the lookup of the system. */
  readonly resolve?: Parameters<typeof ssrfGuardedLookup>[0];
  /** Trusts the authorities of WECHAT_CA_FILE. */
  readonly secureContext?: SecureContext | undefined;
}

export interface Route {
  readonly pool: ConnectionPool;
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy reads the request and may respond to it itself. */
  readonly isForwarded: boolean;
}

export interface Routes {
  /** `ssrfGuard`: rejects with `address_refused` if the host resolves to an address that is not public. */
  to(url: URL, ssrfGuard: boolean): Promise<Route>;
  close(): Promise<void>;
}

const MAX_IDLE = 32;
const MAX_IDLE_SSRF_GUARDED = 4;

export function createRoutes(options: RouteOptions): Routes {
  const { proxyUrl, resolve, secureContext, idleTimeoutMs: timeout } = options;
  const limits = { headersTimeout: timeout, bodyTimeout: timeout };
  const tls = { timeout, allowH2: false, ...(secureContext && { secureContext }) };
  const createPool = (maxIdle: number, connect: buildConnector.connector) =>
    createConnectionPool({ maxIdle, limits, connect });
  const maxIdle = options.maxIdleConnections ?? MAX_IDLE;
  const resolvePublic = (hostname: string, signal: AbortSignal) =>
    resolvePublicAddress(hostname, resolve, signal);
  const proxy = proxyUrl ? { proxyUrl, timeoutMs: timeout, secureContext } : undefined;
  const pools = proxy
    ? {
        unguarded: createPool(maxIdle, createTunnelConnector(proxy)),
        // The name is resolved and checked here, and the proxy connects to the address.
        ssrfGuarded: createPool(
          MAX_IDLE_SSRF_GUARDED,
          createTunnelConnector({ ...proxy, resolve: resolvePublic }),
        ),
        forwarded: createPool(maxIdle, createProxyDialer(proxy)),
      }
    : {
        unguarded: createPool(maxIdle, buildConnector(tls)),
        ssrfGuarded: createPool(
          MAX_IDLE_SSRF_GUARDED,
          buildConnector({ ...tls, lookup: ssrfGuardedLookup(resolve) }),
        ),
      };
  const authorization = proxyUrl && proxyAuthorization(proxyUrl);

  return {
    to: async (url, ssrfGuard) => {
      const path = url.pathname + url.search;
      if (!proxyUrl || !pools.forwarded || url.protocol !== 'http:')
        return {
          pool: ssrfGuard ? pools.ssrfGuarded : pools.unguarded,
          origin: url.origin,
          path,
          headers: {},
          isForwarded: false,
        };
      // A proxy reads the host from the request line and ignores the Host header, so the line must contain the name.
      // The proxy resolves the name a second time. This is safe, because only names of WeChat's own domains get here.
      if (ssrfGuard) await resolvePublic(url.hostname, AbortSignal.timeout(timeout));
      return {
        pool: pools.forwarded,
        origin: new URL(proxyUrl).origin,
        path: `http://${url.host}${path}`,
        headers: { host: url.host, ...(authorization && { 'proxy-authorization': authorization }) },
        isForwarded: true,
      };
    },
    close: async () => {
      await Promise.all(Object.values(pools).map((pool) => pool.close()));
    },
  };
}
