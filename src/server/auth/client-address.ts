/** The address by which a client is counted. */
import { isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * The client's address, or what a proxy of TRUSTED_PROXIES says it is. IPv6 is cut to its /64: a customer of a provider
 * has at least that much.
 */
export function clientAddressOf(
  request: Pick<FastifyRequest, 'ip'> & { raw: FastifyRequest['raw'] },
): string {
  return rateLimitKeyOf(request.ip) ?? rateLimitKeyOf(request.raw.socket?.remoteAddress) ?? 'unknown';
}

/** Undefined for a text that is no address. Some proxies add a port, and link-local addresses have a zone. */
export function rateLimitKeyOf(text: string | undefined): string | undefined {
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text ?? '')?.[1] ?? text ?? '';
  const bare = address.replace(/%.*$/, '');
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(bare)?.[1];
  if (v4) return isIPv4(v4) ? v4 : undefined;
  if (!isIPv6(bare)) return undefined;
  const [head = '', tail] = bare.split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  // An address that ends in dots (::1.2.3.4) has one group less than it stands for.
  const length = (part: string[]) => part.length + (part.at(-1)?.includes('.') ? 1 : 0);
  const [first, last] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? 0 : 8 - length(first) - length(last);
  const all = [...first, ...Array<string>(Math.max(0, zeros)).fill('0'), ...last];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
