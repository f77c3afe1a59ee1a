/** Errors of a database that waiting does not cure, as sentences that say what to change. */

import { isTlsMisconfigured, TLS_PLACES, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

interface Refusal {
  /** SQLSTATE, or a code of Node. */
  readonly code?: RegExp;
  readonly message?: RegExp;
  readonly cure: string;
}

const CREDENTIALS = 'Correct the user or the password of DATABASE_URL.';
const NO_DATABASE = 'Create that database, or correct the name in DATABASE_URL.';
const RIGHTS =
  'Run `wma migrate` as the owner of the schema, and grant the rights that docs/operations.md lists to the role of DATABASE_URL.';
const SSL = 'Add ?sslmode=verify-full to DATABASE_URL (no-verify: without checking the certificate).';

/**
 * The first match counts. PgBouncer uses 08P01 for all its errors, so there the message decides; it is always English.
 * Postgres translates its messages (lc_messages), so there the SQLSTATE decides.
 */
const REFUSALS: readonly Refusal[] = [
  {
    code: /^08P01$/,
    message: /unsupported startup parameter/i,
    cure: 'Take that parameter out of DATABASE_URL (or PGOPTIONS), or add it to ignore_startup_parameters in pgbouncer.ini.',
  },
  { code: /^08P01$/, message: /no such database|database .* does not exist/i, cure: NO_DATABASE },
  { code: /^08P01$/, message: /SSL required/i, cure: SSL },
  {
    code: /^08P01$/,
    message:
      /no such user|password authentication failed|SASL authentication failed|wrong password|auth(entication)? failed|login rejected|not allowed|role .* does not exist/i,
    cure: `${CREDENTIALS} Behind a pooler its own list of users counts.`,
  },
  // pg_hba.conf has no line for the address of this machine, or for the way it connects.
  {
    code: /^28000$/,
    message: /pg_hba\.conf/,
    cure: `Allow this machine, user and database in pg_hba.conf of the server. If it says "no encryption": ${SSL}`,
  },
  { code: /^28/, cure: CREDENTIALS },
  { code: /^3D/, cure: NO_DATABASE },
  { code: /^42501$/, cure: RIGHTS },
  { message: /^SASL|password must be a (non-empty )?string/, cure: CREDENTIALS },
  {
    message: /received invalid response|error establishing an SSL connection|Unknown authenticationOk/,
    cure: 'Correct host and port: the server there does not speak the protocol of Postgres.',
  },
];

/** Returns the sentence for an error that waiting does not cure, with the server's message; else undefined. */
export function refusalOf(error: Error): string | undefined {
  const tls = tlsFailureOf(error);
  if (tls) return isTlsMisconfigured(tls) ? tlsSentence(error, TLS_PLACES.database) : undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  // A missing socket is an unavailable database; a missing certificate file is a wrong path.
  if (syscall === 'open' && path)
    return `${path} cannot be read (${code}). Correct sslrootcert, sslcert or sslkey in DATABASE_URL.`;
  const name = typeof code === 'string' ? code : '';
  const refusal = REFUSALS.find(
    (one) => (!one.code || one.code.test(name)) && (!one.message || one.message.test(error.message)),
  );
  if (!refusal) return undefined;
  const words = name === '' ? error.message : `${error.message} (${name})`;
  return `The database of DATABASE_URL refuses: ${words}. ${refusal.cure}`;
}
