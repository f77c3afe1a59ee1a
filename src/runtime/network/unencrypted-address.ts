/** Whether a key that is sent to an HTTP address can be read on the way. */

/** True for plain HTTP, except to this machine. */
export function isUnencryptedAddress(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}
