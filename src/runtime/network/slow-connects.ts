/** How long a connection attempt to one address may take before the next address of the same host is tried. */
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

/**
 * Node allows each address 250 ms and then ends the attempt. Without IPv6 and with a longer round trip, a host with A
 * and AAAA records cannot be reached at all, also with a longer timeout of the caller. 2.5 s are enough for one lost
 * SYN (which is sent again after 1 s), and are at most half of each of our connect timeouts, so that an IPv6 address
 * that drops packets leaves time for the IPv4 address.
 */
export const CONNECT_ATTEMPT_MS = 2_500;

/** Sets the limit for the whole process: the sockets of undici, axios, pg, ioredis and fetch. Every program calls it first. */
export function allowSlowConnects(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(CONNECT_ATTEMPT_MS);
}
