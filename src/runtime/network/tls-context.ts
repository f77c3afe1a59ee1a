/** TLS that trusts further authorities, beside those that Node knows (NODE_EXTRA_CA_CERTS included). */
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Made once: parsing all authorities for each connection would cost milliseconds. Undefined: none to add. */
export function secureContextOf(authorities: string | undefined): SecureContext | undefined {
  return authorities === undefined
    ? undefined
    : createSecureContext({ ca: [...getCACertificates('default'), authorities] });
}
