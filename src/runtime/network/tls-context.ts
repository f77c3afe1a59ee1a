/** TLS that trusts further authorities, in addition to those of Node (NODE_EXTRA_CA_CERTS included). */
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/**
 * Returns a context that also trusts `authorities` (PEM), or undefined where there are none. Create it once: parsing
 * all authorities costs milliseconds.
 */
export function secureContextOf(authorities: string | undefined): SecureContext | undefined {
  return authorities === undefined
    ? undefined
    : createSecureContext({ ca: [...getCACertificates('default'), authorities] });
}
