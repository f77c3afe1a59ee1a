/** Creates TLS contexts that trust additional authorities besides those of Node (including NODE_EXTRA_CA_CERTS). */
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/**
 * Returns a context that also trusts `authorities` (PEM), or undefined without additional ones. Create it only once,
 * because parsing all authorities takes milliseconds.
 */
export function secureContextOf(authorities: string | undefined): SecureContext | undefined {
  return authorities === undefined
    ? undefined
    : createSecureContext({ ca: [...getCACertificates('default'), authorities] });
}
