/**
 * The SSRF guard of webhooks: where they may be sent. The text of an address is checked when an endpoint is created and
 * again for each request; the address of the machine is checked when the connection is opened, because a name may lead
 * to another machine then (DNS rebinding).
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import type { AllowList } from '../../config/values/kinds.ts';
import { isPublicAddress, ssrfGuardedLookup } from '../../wechat/http/ssrf-guard.ts';

/** The rules, each as a sentence that continues the name of the field. */
export const ADDRESS_RULES = {
  not_a_url: {
    en: 'must be an absolute URL, such as https://example.com/hooks/wechat',
    zh: '必须是完整的 URL，例如 https://example.com/hooks/wechat',
  },
  not_http: { en: 'must begin with https://', zh: '必须以 https:// 开头' },
  credentials: {
    en: 'must not contain a user name or password: the signature proves who sends',
    zh: '不能包含用户名或密码，发送方的身份由签名证明',
  },
  fragment: { en: 'must not contain a fragment (#…)', zh: '不能包含片段（#…）' },
  not_https: {
    en: 'must begin with https://; http:// is only for hosts in WEBHOOK_ALLOW_HOSTS',
    zh: '必须以 https:// 开头；http:// 只能用于 WEBHOOK_ALLOW_HOSTS 中的主机',
  },
  private: {
    en: 'must be a public address; private ones must be in WEBHOOK_ALLOW_HOSTS',
    zh: '必须是公网地址；内网地址须加入 WEBHOOK_ALLOW_HOSTS',
  },
} as const;
export type AddressRule = keyof typeof ADDRESS_RULES;

/** Thrown on connecting. Its message names only the host. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
}

/** Names that never lead to a public address. */
const PRIVATE_NAME = /^(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|home\.arpa|onion)$/;

const bare = (hostname: string) =>
  hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
const portOf = ({ port, protocol }: Pick<URL, 'port' | 'protocol'>) =>
  Number(port || (protocol === 'https:' ? 443 : 80));

/** Two independent lists must agree: ours is by IANA's registries, and that of ipaddr.js is kept by others. */
const isPublic = (address: string): boolean =>
  isPublicAddress(address) && ipaddr.process(address).range() === 'unicast';

function isInNetworks(address: string, { networks }: AllowList): boolean {
  if (!ipaddr.isValid(address)) return false;
  // ::ffff:10.0.0.1 is 10.0.0.1.
  const parsed = ipaddr.process(address);
  return networks.some((text) => {
    const [network, bits] = ipaddr.parseCIDR(
      text.includes('/') ? text : `${text}/${isIP(text) === 6 ? 128 : 32}`,
    );
    return network.kind() === parsed.kind() && parsed.match(network, bits);
  });
}

const isNamed = (host: string, port: number, { hosts }: AllowList): boolean =>
  hosts.some((one) => bare(one.host) === host && (one.port === undefined || one.port === port));

/** Returns the rule that an address breaks; undefined if it may be used. Names are not resolved here. */
export function brokenRule(text: string, allowed: AllowList): AddressRule | undefined {
  const url = URL.parse(text);
  if (!url || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return 'not_a_url';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'not_http';
  if (url.username || url.password) return 'credentials';
  if (text.includes('#')) return 'fragment';
  const host = bare(url.hostname);
  if (isNamed(host, portOf(url), allowed) || isInNetworks(host, allowed)) return undefined;
  if (url.protocol === 'http:') return 'not_https';
  // URL turns 0x7f.1 and 2130706433 into 127.0.0.1, as the system's resolver would.
  if (isIP(host) !== 0) return isPublic(host) ? undefined : 'private';
  return PRIVATE_NAME.test(host) ? 'private' : undefined;
}

/**
 * Returns a connector for undici that opens connections to permitted addresses only. The socket connects to the address
 * that was checked and does not resolve the name again.
 */
export function createGuardedConnector(
  allowed: AllowList,
  { timeoutMs, resolve }: { timeoutMs: number; resolve?: Parameters<typeof ssrfGuardedLookup>[0] },
): buildConnector.connector {
  const options = { timeout: timeoutMs, allowH2: false };
  const refusal = (host: string) => new AddressRefusedError(`${host.slice(0, 100)}: not a public address`);
  const isAllowed = (address: string) => isPublic(address) || isInNetworks(address, allowed);
  const lookup = ssrfGuardedLookup(resolve, isAllowed, refusal);
  const guarded = buildConnector({ ...options, lookup });
  const free = buildConnector(options);
  return (target, callback) => {
    const host = bare(target.hostname);
    const port = portOf({ port: target.port ?? '', protocol: target.protocol });
    if (isNamed(host, port, allowed)) return free(target, callback);
    // No lookup is made for an address.
    if (isIP(host) !== 0 && !isAllowed(host)) {
      callback(refusal(host), null);
      return;
    }
    guarded(target, callback);
  };
}
