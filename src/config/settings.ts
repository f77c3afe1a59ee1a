/** The configuration as people may see it: the effective value of every variable, and no secret. */
import type { Account } from '../account.ts';
import { parseDatabaseUrl } from './database-address.ts';
import type { S3Settings } from './s3-settings.ts';
import { SECTIONS, type Variable, type VariableName } from './schema.ts';
import type { ReadEnvironment } from './values/environment.ts';
import { formatDuration, formatSize } from './values/units.ts';

export interface Setting {
  readonly variable: string;
  /** The section of docs/configuration.md. */
  readonly section: string;
  /**
   * With a unit. Of an address that may contain a secret, only the part that names the server. Absent: a secret that is
   * set, or nothing is set and that means nothing.
   */
  readonly value?: string;
  /** Set by the environment, `.env` or NAME_FILE; otherwise the value is the default. */
  readonly isSet: boolean;
  /** The value is never shown. */
  readonly isSecret: boolean;
  readonly description: string;
}

/** What the values that are set lead to, where that is another value than the one that was written. */
export interface Effective {
  readonly dataFolder: string;
  readonly videoBaseUrl: string | undefined;
  readonly s3: S3Settings | undefined;
  readonly accounts: readonly Account[];
}

/** Secret addresses of which the server may be shown, and the path too where it names a database. */
const ADDRESSES: ReadonlyMap<string, { withPath: boolean }> = new Map([
  ['DATABASE_URL', { withPath: true }],
  ['REDIS_URL', { withPath: true }],
  ['WECHAT_PROXY', { withPath: false }],
  // The path and the parameters of a robot contain its key.
  ['ALERT_URL', { withPath: false }],
  ['WEBHOOK_URL', { withPath: false }],
  ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', { withPath: false }],
]);

/** Returns a setting for every variable, in the order of the documentation. */
export function settingsOf(read: ReadEnvironment, effective: Effective): Setting[] {
  return SECTIONS.flatMap(([section, variables]) =>
    Object.entries(variables).map(([name, variable]) => {
      const value = shownValue(name as VariableName, variable, read, effective);
      return {
        variable: name,
        section,
        ...(value === undefined ? {} : { value }),
        isSet: read.isSet(name as VariableName),
        isSecret: variable.secret === true,
        description: variable.about,
      };
    }),
  );
}

function shownValue(
  name: VariableName,
  variable: Variable,
  read: ReadEnvironment,
  effective: Effective,
): string | undefined {
  if (variable.secret)
    return read.isSet(name) ? serverOf(name, String(read.values[name] ?? '')) : variable.unset;
  const isUnset = name === 'ACCOUNTS_FILE' && !read.isSet(name);
  const value = (isUnset ? undefined : derivedValue(name, effective)) ?? read.values[name];
  if (value === undefined) return variable.unset;
  if (variable.kind.label === 'duration') return formatDuration(Number(value));
  if (variable.kind.label === 'size') return formatSize(Number(value));
  const text = typeof value === 'string' ? value : read.textOf(name);
  // A secret may have been set in the wrong variable.
  return text && read.redact(text);
}

/** Returns the value that results from several variables, or from a file. */
function derivedValue(
  name: VariableName,
  { dataFolder, videoBaseUrl, s3, accounts }: Effective,
): string | undefined {
  switch (name) {
    case 'DATA_DIR':
      return dataFolder;
    case 'WECHAT_VIDEO_BASE_URL':
      return videoBaseUrl ?? 'off';
    case 'S3_ENDPOINT':
      return s3?.endpoint;
    case 'S3_PUBLIC_ENDPOINT':
      return s3?.publicEndpoint;
    case 'S3_REGION':
      return s3?.region;
    case 'S3_ADDRESSING':
      return s3?.addressing;
    case 'ACCOUNTS_FILE': {
      const names = accounts.map((account) => account.name ?? account.account);
      return names.length > 0 ? `${names.length}: ${names.join(', ')}` : undefined;
    }
    default:
      return undefined;
  }
}

/** Returns an address without user, password, parameters and fragment; undefined for any other secret. */
function serverOf(name: string, text: string): string | undefined {
  const shown = ADDRESSES.get(name);
  const url = shown && parseDatabaseUrl(text);
  if (!url) return undefined;
  // A password with an unescaped / or # ends up in the path or in the port.
  const hasUser = url.username !== '' || url.password !== '';
  if (text.split('@').length !== (hasUser ? 2 : 1)) return undefined;
  // Without a host, Postgres is reached by a socket.
  const host = URL.parse(text)?.host ?? '';
  return `${url.protocol}//${host}${shown.withPath ? url.pathname : ''}`;
}
