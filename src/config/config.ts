/** Reads the configuration once, reports all mistakes together, and freezes it. Only this file reads process.env. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Account, secretsOf } from '../account.ts';
import type { Language } from '../explanation.ts';
import { createRedactor } from '../runtime/redaction.ts';
import { configuredAccounts, withAccounts } from './accounts/accounts-settings.ts';
import type { ApiKey } from './api-keys.ts';
import { type Authorities, readAuthorities, withAuthority } from './authorities.ts';
import { type ClientSettings, clientSettings, languageOfLocale } from './client-settings.ts';
import { queueSchemaOf } from './database-address.ts';
import { type S3Settings, s3Settings } from './s3-settings.ts';
import { VARIABLES, type Values } from './schema.ts';
import { refuseWeakKeys } from './secret-strength.ts';
import { withoutServiceLinks } from './service-links.ts';
import { type Setting, settingsOf } from './settings.ts';
import { checkShape, type Shape, shapeOf } from './shape.ts';
import { type TraceSettings, traceSettings } from './traces/trace-settings.ts';
import {
  type Environment,
  type Mistake,
  type ReadEnvironment,
  type ReadFile,
  type ReportMistake,
  readEnvironment,
  withDotEnv,
} from './values/environment.ts';
import type { AllowedHost } from './values/kinds.ts';
import { checkWebhooks, type WebhookSettings, webhookSettings } from './webhooks/webhook-settings.ts';

/** Undefined means not set, off, or embedded. URLs have no trailing slash; durations are not scaled by TIME_SCALE. */
export interface Config {
  readonly production: boolean;
  readonly shape: Shape;
  /** An absolute path. */
  readonly dataFolder: string;
  /** Undefined: determined by whether the log goes to a terminal. */
  readonly log: { readonly level: Values['LOG_LEVEL']; readonly format: Values['LOG_FORMAT'] | undefined };
  /** The language of what is printed at start. */
  readonly language: Language;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly callbackPort: number | undefined;
    readonly publicUrl: string | undefined;
    /** Addresses and networks whose X-Forwarded-For is trusted. */
    readonly trustedProxies: readonly string[];
  };
  readonly metrics: { readonly port: number | undefined };
  readonly apiKeys: readonly ApiKey[];
  readonly database: { readonly url: string | undefined; readonly schema: string };
  readonly redis: { readonly url: string | undefined };
  /** Additional certificate authorities that TLS trusts, in PEM form. The authority for Postgres is in the URL. */
  readonly authorities: Authorities;
  /** `schema`: the schema of BullMQ, if the queue is in the database. */
  readonly queue: { readonly prefix: string; readonly windowSize: number; readonly schema: string };
  readonly s3: S3Settings | undefined;
  /** Settings for every store, also for the embedded one. */
  readonly objects: { readonly prefix: string; readonly linkTtlMs: number };
  /** Empty if WeChat is simulated. */
  readonly accounts: readonly Account[];
  readonly wechat: {
    readonly apiBaseUrl: string;
    readonly wecomBaseUrl: string;
    readonly videoBaseUrl: string | undefined;
    readonly proxyUrl: string | undefined;
  };
  readonly fetch: {
    readonly allowHosts: readonly AllowedHost[];
    readonly idleTimeoutMs: number;
    readonly totalTimeoutMs: number;
  };
  readonly work: {
    readonly concurrency: number;
    readonly accountConcurrency: number;
    readonly byteBudgetBytes: number;
    readonly maxMediaBytes: number;
    readonly shutdownGraceMs: number;
  };
  /** The arguments of createLifetimes (runtime/clock.ts). */
  readonly lifetimes: { readonly mediaLifetimeMs: number; readonly timeScale: number };
  readonly spool: { readonly limitBytes: number };
  readonly previews: { readonly cacheBytes: number };
  /** The age in milliseconds at which a media item is erased; undefined: never. */
  readonly retentionMs: number | undefined;
  /** How long events stay in the feed, in milliseconds. */
  readonly eventRetentionMs: number;
  readonly alerts: { readonly url: string | undefined };
  readonly webhooks: WebhookSettings;
  readonly traces: TraceSettings | undefined;
  /** Log messages about variables that were ignored. */
  readonly warnings: readonly string[];
  /** Every variable as people may see it. */
  readonly settings: readonly Setting[];
}

/** EX_CONFIG of sysexits.h: a supervisor that knows this code does not restart the program. */
export const EXIT_CONFIG = 78;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly exitCode = EXIT_CONFIG;
  readonly mistakes: readonly Mistake[];
  constructor(mistakes: readonly Mistake[]) {
    const lines = mistakes.map(({ variable, problem, example }) => {
      const sentence = `  ${variable} ${problem}${problem.endsWith('?') ? '' : '.'}`;
      return example ? `${sentence} Example: ${example}` : sentence;
    });
    super(
      `${mistakes.length === 1 ? 'A mistake' : `${mistakes.length} mistakes`} in the configuration:\n${lines.join('\n')}`,
    );
    this.mistakes = mistakes;
  }
}

/**
 * Reads `env`, then `.env` in `dotEnvFolder` (default: the working directory) for variables that `env` does not set,
 * and the files that NAME_FILE and ACCOUNTS_FILE name. Throws a ConfigError that lists every mistake and contains no
 * secret.
 */
export function loadConfig(
  env: Environment = process.env,
  options: { dotEnvFolder?: string; readFile?: ReadFile } = {},
): Config {
  const readFile = options.readFile ?? ((path: string) => readFileSync(path, 'utf8'));
  const dotEnvPath = join(options.dotEnvFolder ?? '.', '.env');
  const { env: own, warnings } = withoutServiceLinks(env);
  let merged = own;
  const unreadable: Mistake[] = [];
  try {
    merged = withDotEnv(own, dotEnvPath, readFile);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    unreadable.push({ variable: dotEnvPath, problem: `cannot be read (${code})` });
  }
  const read = readEnvironment(merged, readFile);
  const mistakes = [...unreadable, ...read.mistakes];
  const report: ReportMistake = (variable, problem) => {
    mistakes.push({ variable, problem, example: `${variable}=${VARIABLES[variable].example}` });
  };
  const production = read.values.NODE_ENV === 'production';
  const shape = shapeOf(read);
  checkShape(read, shape, production, report);
  const accounts = configuredAccounts(read, production, readFile, report);
  const apiKeys = withAccounts(read.values.API_KEYS ?? [], accounts, report);
  if (production) refuseWeakKeys(apiKeys, report);
  const s3 = s3Settings(read, report);
  const authorities = readAuthorities(read, readFile, report);
  const traces = traceSettings(read, authorities.traces, report);
  const { PORT, CALLBACK_PORT } = read.values;
  if (PORT && PORT === CALLBACK_PORT) report('CALLBACK_PORT', 'is the same as PORT');
  checkWebhooks(read, report);
  if (mistakes.length > 0) {
    const redact = createRedactor(accounts.flatMap(secretsOf));
    throw new ConfigError(mistakes.map((it) => ({ ...it, problem: read.redact(redact(it.problem)) })));
  }
  const config = deepFreeze(
    configOf(read, {
      production,
      shape,
      accounts,
      apiKeys,
      s3,
      authorities,
      traces,
      warnings,
      language: languageOfLocale(env),
    }),
  );
  rereaders.set(config, () => loadConfig(env, options).accounts);
  return config;
}

/** For each configuration, the function that reads its accounts again. */
const rereaders = new WeakMap<Config, () => readonly Account[]>();

/**
 * Reads the accounts from ACCOUNTS_FILE and the secret files again, because secrets change while a program runs. Throws
 * a ConfigError if they cannot be read.
 */
export function rereadAccounts(config: Config): readonly Account[] {
  return rereaders.get(config)?.() ?? config.accounts;
}

function configOf(
  read: ReadEnvironment,
  parts: Pick<
    Config,
    | 'production'
    | 'shape'
    | 'accounts'
    | 'apiKeys'
    | 's3'
    | 'authorities'
    | 'traces'
    | 'warnings'
    | 'language'
  >,
): Config {
  const { production, shape, accounts, apiKeys, s3, authorities, warnings } = parts;
  // Without a mistake, every variable with a default has a value.
  const values = read.values as Values;
  const dataFolder = resolve(values.DATA_DIR);
  const videoBaseUrl = read.isSet('WECHAT_VIDEO_BASE_URL')
    ? values.WECHAT_VIDEO_BASE_URL
    : values.WECHAT_API_BASE_URL.replace(/^https:/i, 'http:');
  return {
    production,
    shape,
    dataFolder,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
    language: parts.language,
    http: {
      host: values.HOST,
      port: values.PORT,
      callbackPort: values.CALLBACK_PORT,
      publicUrl: values.PUBLIC_URL,
      trustedProxies: values.TRUSTED_PROXIES ?? [],
    },
    metrics: { port: values.METRICS_PORT },
    apiKeys,
    database: {
      url: withAuthority(values.DATABASE_URL, values.DATABASE_CA_FILE),
      schema: values.DATABASE_SCHEMA,
    },
    redis: { url: values.REDIS_URL },
    authorities,
    queue: {
      prefix: values.QUEUE_PREFIX,
      windowSize: values.QUEUE_WINDOW,
      schema: queueSchemaOf(values.DATABASE_SCHEMA),
    },
    s3,
    objects: { prefix: values.S3_PREFIX ?? '', linkTtlMs: values.LINK_TTL },
    accounts,
    wechat: {
      apiBaseUrl: values.WECHAT_API_BASE_URL,
      wecomBaseUrl: values.WECOM_API_BASE_URL,
      videoBaseUrl,
      proxyUrl: values.WECHAT_PROXY,
    },
    fetch: {
      allowHosts: values.FETCH_ALLOW_HOSTS ?? [],
      idleTimeoutMs: values.FETCH_IDLE_TIMEOUT,
      totalTimeoutMs: values.FETCH_TOTAL_TIMEOUT,
    },
    work: {
      concurrency: values.WORKER_CONCURRENCY,
      accountConcurrency: values.ACCOUNT_CONCURRENCY,
      byteBudgetBytes: values.BYTE_BUDGET,
      maxMediaBytes: values.MAX_MEDIA_BYTES,
      shutdownGraceMs: values.SHUTDOWN_GRACE,
    },
    lifetimes: { mediaLifetimeMs: values.MEDIA_LIFETIME, timeScale: values.TIME_SCALE },
    spool: { limitBytes: values.SPOOL_BYTES },
    previews: { cacheBytes: values.PREVIEW_CACHE },
    retentionMs: values.RETENTION,
    eventRetentionMs: values.EVENT_RETENTION,
    alerts: { url: values.ALERT_URL },
    webhooks: webhookSettings(values),
    traces: parts.traces,
    warnings,
    settings: settingsOf(read, { dataFolder, videoBaseUrl, s3, accounts }),
  };
}

/**
 * Returns the environment for a child process: those of our variables whose names `inherited` matches, and `changes`.
 * The other variables are set to an empty value, which overrides `.env` and NAME_FILE in the child.
 */
export function childEnvironment(
  changes: Readonly<Record<string, string>>,
  inherited: RegExp,
): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  for (const name of Object.keys(VARIABLES).filter((one) => !inherited.test(one))) {
    environment[name] = '';
    delete environment[`${name}_FILE`];
  }
  return { ...environment, ...changes };
}

/** Reads the settings of the command line from the environment and `.env`, and ignores mistakes in other variables. */
export function loadClientSettings(env: Environment = process.env): ClientSettings {
  return clientSettings(env, (path) => readFileSync(path, 'utf8'));
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
