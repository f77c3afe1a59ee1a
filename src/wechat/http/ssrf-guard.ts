/**
 * Where links of video_url and PicUrl may lead. Such a link is a raw address with the real host as first path segment
 * (`http://203.205.137.89/vweixinp.tc.qq.com/…`), so that a list of hosts alone cannot work: what is checked in the
 * end is the address itself, at the moment of connecting.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { failure } from '../../failures.ts';

const HOST_SUFFIXES = ['.weixin.qq.com', '.tc.qq.com', '.qpic.cn'];
const CDN_SEGMENT = /^\/[a-z0-9-]+\.tc\.qq\.com(?:\/|$)/;

/** Everything IANA calls special: private, loopback, link-local (metadata of clouds), CGNAT, documentation, multicast. */
const SPECIAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Public by its number, but the host's own service in Azure.
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
/** All public IPv6 lies in here; mapped, compatible, NAT64, unique-local and link-local forms do not. */
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');

/** Whether an address (no brackets) is public unicast. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !SPECIAL.check(address, 'ipv4');
  return family === 6 && GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
}

const withoutBrackets = (hostname: string) => hostname.replace(/^\[|\]$/g, '');

/**
 * Whether `url` may be fetched: `trusted` where `allowHosts` (host, or host:port) names it, `guarded` where its
 * addresses have yet to be checked on connecting. Throws `address_refused`; names the host only, for links carry keys.
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
 * A `lookup` for sockets that refuses a name as soon as one of its addresses is not public. The socket connects to
 * what this returned and nothing else, so that a second, different DNS answer has no say.
 */
export function ssrfGuardedLookup(resolve: ResolveAll = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error || !first) return callback(error ?? failure('network', 'DNS: no address'), '', 0);
      if (!addresses.every(({ address }) => isPublicAddress(address))) {
        return callback(failure('address_refused', `${hostname.slice(0, 100)}: not a public address`), '', 0);
      }
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** The same for a way without sockets of our own (a proxy): one checked address of the host. */
export async function resolvePublicAddress(
  hostname: string,
  resolve: ResolveAll | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (isIP(withoutBrackets(hostname)) !== 0) return withoutBrackets(hostname);
  return await new Promise((resolved, rejected) => {
    signal.addEventListener('abort', () => rejected(signal.reason), { once: true });
    ssrfGuardedLookup(resolve)(hostname, {}, (error, address) => {
      if (error) rejected(error);
      else resolved(String(address));
    });
  });
}
