/** How long a connection attempt to one address may take before the next address of the same host is tried. */
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

/**
 * Node gives each address 250 ms and then drops the attempt. Where there is no IPv6 and the round trip takes longer,
 * a host with A and AAAA cannot be connected to at all, whatever the timeout of the caller. 2.5 s outlive one lost
 * SYN (sent again after 1 s), and are at most half of every connect timeout of ours, so that an IPv6 address which
 * swallows packets leaves time for the IPv4 address.
 */
export const CONNECT_ATTEMPT_MS = 2_500;

/** Sets the limit for the whole process: the sockets of undici, axios, pg, ioredis and fetch. Every program calls it first. */
export function allowSlowConnects(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(CONNECT_ATTEMPT_MS);
}
