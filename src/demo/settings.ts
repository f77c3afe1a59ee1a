/** The environment of the demo's service. */
import type { Account } from '../account.ts';
import { type Config, childEnvironment, loadConfig } from '../config/config.ts';

/** Three days in six minutes: long enough that nothing expires too early, short enough that one item does expire. */
const TIME_SCALE = 720;
const EMBEDDED = /^(DATA_DIR|LOG_FORMAT)$/;
/** The configured variables that the demo uses: database, queue and bucket, but no account and no alert. */
const CONFIGURED = /^(DATA_DIR|LOG_FORMAT|DATABASE_\w+|REDIS_\w+|QUEUE_PREFIX|S3_\w+|AWS_\w+)$/;

export interface DemoSettings {
  /** The configuration that the service will load. */
  readonly config: Config;
  /** Returns the environment of the service with what is known only later. */
  environment(overrides: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
}

/** Throws a ConfigError as the service would. On configured parts the demo has its own schema, queue and S3 prefix. */
export function demoSettings(options: {
  account: Account;
  port: number;
  key: string;
  configured: boolean;
}): DemoSettings {
  const { account, port, key, configured } = options;
  const passedOn = configured ? CONFIGURED : EMBEDDED;
  const settings: Record<string, string> = {
    ALLOW_EMBEDDED: '1',
    HOST: '127.0.0.1',
    PORT: String(port),
    API_KEYS: `admin:${key}`,
    WECHAT_APP_ID: account.appId,
    WECHAT_APP_SECRET: account.secret,
    WECHAT_TOKEN: account.token,
    WECHAT_ENCODING_AES_KEY: account.encodingAesKey ?? '',
    TIME_SCALE: String(TIME_SCALE),
    LOG_LEVEL: 'error',
    SHUTDOWN_GRACE: '2s',
  };
  const config = loadConfig(childEnvironment(settings, passedOn));
  if (configured) {
    settings.DATABASE_SCHEMA = `${config.database.schema}_demo`;
    settings.QUEUE_PREFIX = `${config.queue.prefix}-demo`;
    settings.S3_PREFIX = `${config.objects.prefix}demo/`;
  }
  return { config, environment: (overrides) => childEnvironment({ ...settings, ...overrides }, passedOn) };
}
