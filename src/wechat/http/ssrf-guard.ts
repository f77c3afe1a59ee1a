/**
 * The SSRF guard: checks that the links of video_url and PicUrl lead to public addresses. Such a link is often a bare
 * address with the real host as first path segment (`http://203.205.137.89/vweixinp.tc.qq.com/…`), so a list of hosts
 * is not enough: the address itself is checked when the connection is opened.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { failure } from '../../failures.ts';
import { untilAborted } from '../../runtime/timeout.ts';

const HOST_SUFFIXES = ['.weixin.qq.com', '.tc.qq.com', '.qpic.cn'];
const CDN_SEGMENT = /^\/[a-z0-9-]+\.tc\.qq\.com(?:\/|$)/;

/** IANA's special-purpose ranges: private, loopback, link-local (cloud metadata), CGNAT, documentation, multicast. */
const SPECIAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // The number is in a public range, but in Azure it is a service of the host itself.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(net, prefix, 'ipv6');
}
/**
 * The range of all public IPv6 addresses. It contains no mapped, compatible, NAT64, unique-local or link-local
 * addresses.
 */
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');

/** Whether an address (without brackets) is public and unicast. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !SPECIAL.check(address, 'ipv4');
  return family === 6 && GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
}

const withoutBrackets = (hostname: string) => hostname.replace(/^\[|\]$/g, '');

/**
 * Checks whether `url` may be fetched. Returns `trusted` if `allowHosts` (host, or host:port) contains the host, and
 * `guarded` if its addresses must still be checked on connecting. Throws `address_refused`, whose detail names only the
 * host, because links contain keys.
 */
export function checkLink(url: URL, allowHosts: readonly string[]): 'trusted' | 'guarded' {
  const host = url.hostname.toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const refuse = (why: string) => failure('address_refused', `${host.slice(0, 100)}: ${why}`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('neither http nor https');
  if (url.username || url.password) throw refuse('a link with a user name');
  const names = allowHosts.map((allowed) => allowed.toLowerCase());
  if (names.includes(host) || names.includes(`${host}:${port}`)) return 'trusted';
  if (port !== '80' && port !== '443') throw refuse(`port ${port}`);
  if (isIP(withoutBrackets(host)) === 0) {
    if (!HOST_SUFFIXES.some((suffix) => host.endsWith(suffix))) throw refuse('not a host of WeChat');
  } else {
    if (!isPublicAddress(withoutBrackets(host))) throw refuse('not a public address');
    if (!CDN_SEGMENT.test(url.pathname)) throw refuse('an address without a host of WeChat in its path');
  }
  return 'guarded';
}

type ResolveAll = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Returns a `lookup` for sockets that rejects a name when one of its addresses is not allowed; by default, not public.
 * The socket connects to the returned address and does not resolve again, so a different second DNS response (DNS
 * rebinding) has no effect.
 */
export function ssrfGuardedLookup(
  resolve: ResolveAll = systemLookup,
  isAllowed: (address: string) => boolean = isPublicAddress,
  refusalOf: (hostname: string) => Error = (hostname) =>
    failure('address_refused', `${hostname.slice(0, 100)}: not a public address`),
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error || !first) return callback(error ?? failure('network', 'DNS: no address'), '', 0);
      if (!addresses.every(({ address }) => isAllowed(address))) return callback(refusalOf(hostname), '', 0);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** Resolves with one public address of the host, for connections that a proxy opens. Rejects like the lookup. */
export async function resolvePublicAddress(
  hostname: string,
  resolve: ResolveAll | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (isIP(withoutBrackets(hostname)) !== 0) return withoutBrackets(hostname);
  const address = new Promise<string>((resolved, rejected) => {
    ssrfGuardedLookup(resolve)(hostname, {}, (error, found) => {
      if (error) rejected(error);
      else resolved(String(found));
    });
  });
  return await untilAborted(address, signal);
}
