/** What a database refuses for good, in a sentence that says what to change. What passes by waiting is not here. */

import { isTlsMisconfigured, TLS_PLACES, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

interface Refused {
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
 * In this order. PgBouncer gives 08P01 to all it says, so there the words decide, and they are English always.
 * Postgres translates its words (lc_messages), so there the SQLSTATE decides.
 */
const REFUSED: readonly Refused[] = [
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
  // Both with the words of Postgres and without a match: the address of this machine, or the way it connects.
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
    cure: 'Correct host and port: what answers there does not speak the protocol of Postgres.',
  },
];

/** The sentence for an error that no waiting cures; undefined for every other one. Holds the words of the server. */
export function refusalOf(error: Error): string | undefined {
  const tls = tlsFailureOf(error);
  if (tls) return isTlsMisconfigured(tls) ? tlsSentence(error, TLS_PLACES.database) : undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  // A socket that is missing is a database that is away; a file of a certificate is a wrong path.
  if (syscall === 'open' && path)
    return `${path} cannot be read (${code}). Correct sslrootcert, sslcert or sslkey in DATABASE_URL.`;
  const name = typeof code === 'string' ? code : '';
  const refused = REFUSED.find(
    (one) => (!one.code || one.code.test(name)) && (!one.message || one.message.test(error.message)),
  );
  if (!refused) return undefined;
  const words = name === '' ? error.message : `${error.message} (${name})`;
  return `The database of DATABASE_URL refuses: ${words}. ${refused.cure}`;
}
