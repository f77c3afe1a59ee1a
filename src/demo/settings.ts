/** What the service under show is told. */
import type { Account } from '../account.ts';
import { type Config, childEnvironment, loadConfig } from '../config/config.ts';

/** Three days in six minutes: long enough that nothing expires which should not, short enough to see one that must. */
const TIME_SCALE = 720;
const EMBEDDED = /^DATA_DIR$/;
/** Of what is configured: where database, queue and bucket are. Never an account, never an alert. */
const CONFIGURED = /^(DATA_DIR|DATABASE_\w+|REDIS_\w+|QUEUE_PREFIX|S3_\w+|AWS_\w+)$/;

export interface DemoSettings {
  /** As the service will read it. */
  readonly config: Config;
  /** The environment of the service, but for what is known later. */
  environment(changes: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
}

/** Throws a ConfigError as the service would. Beside real media the demo keeps a schema, a queue and a folder of its own. */
export function demoSettings(options: {
  account: Account;
  port: number;
  key: string;
  configured: boolean;
}): DemoSettings {
  const { account, port, key, configured } = options;
  const kept = configured ? CONFIGURED : EMBEDDED;
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
  const config = loadConfig(childEnvironment(settings, kept));
  if (configured) {
    settings.DATABASE_SCHEMA = `${config.database.schema}_demo`;
    settings.QUEUE_PREFIX = `${config.queue.prefix}-demo`;
    settings.S3_PREFIX = `${config.objects.prefix}demo/`;
  }
  return { config, environment: (changes) => childEnvironment({ ...settings, ...changes }, kept) };
}
