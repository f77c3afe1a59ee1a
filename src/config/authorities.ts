/**
 * Reads DATABASE_CA_FILE and the other *_CA_FILE variables: certificates of a company's own certificate authorities.
 */
import { X509Certificate } from 'node:crypto';
import { areTracesOn } from './traces/trace-settings.ts';
import type { ReadEnvironment, ReadFile, ReportMistake } from './values/environment.ts';

/** Certificates in PEM form; undefined: only the authorities that Node trusts. */
export interface Authorities {
  readonly redis: string | undefined;
  readonly store: string | undefined;
  readonly wechat: string | undefined;
  readonly traces: string | undefined;
}

type AuthorityVariable =
  | 'DATABASE_CA_FILE'
  | 'REDIS_CA_FILE'
  | 'S3_CA_FILE'
  | 'WECHAT_CA_FILE'
  | 'OTEL_EXPORTER_OTLP_CERTIFICATE';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export function readAuthorities(
  { values, isSet }: ReadEnvironment,
  readFile: ReadFile,
  report: ReportMistake,
): Authorities {
  const read = (variable: AuthorityVariable) => {
    const path = values[variable];
    if (path === undefined) return undefined;
    let text: string;
    try {
      text = readFile(path);
    } catch (error) {
      report(variable, `cannot be read: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
      return undefined;
    }
    const certificates = text.match(CERTIFICATE) ?? [];
    if (certificates.length > 0 && certificates.every(isCertificate)) return certificates.join('\n');
    report(
      variable,
      `contains no certificate in PEM form: ${path} must have lines -----BEGIN CERTIFICATE-----`,
    );
    return undefined;
  };
  read('DATABASE_CA_FILE');
  const redis = read('REDIS_CA_FILE');
  if (redis && values.REDIS_URL && !/^rediss:/i.test(values.REDIS_URL))
    report('REDIS_CA_FILE', 'is set, but REDIS_URL does not use TLS: begin it with rediss://');
  return {
    redis,
    store: read('S3_CA_FILE'),
    wechat: read('WECHAT_CA_FILE'),
    traces: areTracesOn({ values, isSet }) ? read('OTEL_EXPORTER_OTLP_CERTIFICATE') : undefined,
  };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/**
 * Returns the URL of Postgres with the authority as sslrootcert, which libpq and node-postgres read. Also turns TLS on,
 * unless the URL already has an sslmode.
 */
export function withAuthority(url: string | undefined, path: string | undefined): string | undefined {
  if (url === undefined || path === undefined) return url;
  // A Unix socket needs no TLS.
  if (!/^postgres(ql)?:\/\/([^@/]*@)?[^/%?]/i.test(url)) return url;
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  const more = new URLSearchParams();
  if (!query.has('sslmode')) more.set('sslmode', 'verify-full');
  if (!query.has('sslrootcert')) more.set('sslrootcert', path);
  if (query.get('sslmode') === 'disable' || more.size === 0) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${more}`;
}
