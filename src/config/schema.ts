/**
 * All variables that the program reads: name, kind, default, example, meaning. Parsing, error messages, `.env.example`,
 * docs/configuration.md and the check for misspelt names all use this table.
 */
import { parseApiKeys } from './api-keys.ts';
import { SCHEMA_PATTERN, SCHEMA_RULE } from './database-address.ts';
import { ADDRESSINGS, S3_PRESET_NAMES } from './s3-presets.ts';
import { MAX_PARTS, UPLOAD_PARTS, uploadMemoryBytes } from './upload-parts.ts';
import * as kind from './values/kinds.ts';

export interface Variable<T = unknown> {
  readonly kind: kind.Kind<T>;
  /** The default as text; absent if the variable may be unset. */
  readonly default?: string;
  /** What it means if the variable is unset and has no fixed default. */
  readonly unset?: string;
  readonly example: string;
  readonly about: string;
  /** The value is never displayed, and may be set as NAME_FILE. */
  readonly secret?: true;
  /**
   * A variable of other programs that this program also reads. Misspellings of it are not reported, and it has no
   * NAME_FILE.
   */
  readonly foreign?: true;
  /** An empty value means off, not unset. */
  readonly emptyIsOff?: true;
}

// setTimeout is limited to 31 bits of milliseconds, a little under 25 days.
const LONGEST = '24d';
const concurrency = () => kind.count({ min: 1, max: 1000 });
const secretText = (pattern?: RegExp, rule?: string) => kind.text(pattern, rule);

const listening = {
  HOST: {
    kind: kind.text(/^[A-Za-z0-9._:-]+$/, 'must be a host name or an IP address, without port'),
    default: '127.0.0.1',
    example: '0.0.0.0',
    about: 'The address on which the server listens.',
  },
  PORT: {
    kind: kind.port(),
    default: '8080',
    example: '8080',
    about: 'The port on which the server listens.',
  },
  CALLBACK_PORT: {
    kind: kind.optionalPort(),
    unset: 'off',
    example: '8081',
    about:
      'A second port that serves only /wechat/, so that only this port must be reachable from the Internet.',
  },
  PUBLIC_URL: {
    kind: kind.baseUrl(),
    example: 'https://media.example.com',
    about: 'The address under which people and WeChat reach the server, as printed at start.',
  },
  TRUSTED_PROXIES: {
    kind: kind.addresses(),
    example: '127.0.0.1,10.0.0.0/8',
    about: 'Addresses and networks of your proxies, whose X-Forwarded-For is trusted.',
  },
  DATA_DIR: {
    kind: kind.text(),
    default: './data',
    example: '/var/lib/wma',
    about: 'The folder of the embedded database and store, the spool and the key file.',
  },
  LOG_LEVEL: {
    kind: kind.choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    example: 'debug',
    about: 'The lowest level of log lines that are written.',
  },
  LOG_FORMAT: {
    kind: kind.choice(['json', 'text']),
    unset: '`text` on a terminal, otherwise `json`',
    example: 'json',
    about:
      'The format of log lines: `json` for programs, `text` for people. Colours only on a terminal, and never with NO_COLOR.',
  },
  NODE_ENV: {
    kind: kind.text(),
    example: 'production',
    foreign: true,
    about:
      'With `production` the program does not start without API_KEYS, and embedded only with ALLOW_EMBEDDED.',
  },
  ALLOW_EMBEDDED: {
    kind: kind.flag(),
    default: '0',
    example: '1',
    about: 'Allows a real account, or production, on the embedded database and store in DATA_DIR.',
  },
  API_KEYS: {
    kind: { label: 'list of keys', parse: parseApiKeys },
    example: 'admin:replace-by-a-long-random-text',
    secret: true,
    about:
      'Comma list of `scope:secret` or `name:scope[+scope][@account+account]:secret`; scopes read, write, admin, each of which includes the previous one. Create secrets with `openssl rand -hex 32`: production refuses secrets that can be guessed.',
  },
} as const satisfies Record<string, Variable>;

const catalogue = {
  DATABASE_URL: {
    kind: kind.databaseUrl(),
    unset: 'embedded',
    example: 'postgres://wma:password@localhost:5432/wma',
    secret: true,
    about:
      'The catalogue, and the queue if REDIS_URL is unset. A Unix socket is written as in libpq: `postgres://wma@/wma?host=/var/run/postgresql`.',
  },
  DATABASE_SCHEMA: {
    kind: kind.text(SCHEMA_PATTERN, SCHEMA_RULE),
    default: 'wma',
    example: 'wma',
    about:
      'The Postgres schema of all tables. A queue in Postgres has a separate schema: `bullmq` for `wma`, otherwise this name with `_queue`.',
  },
  REDIS_URL: {
    kind: kind.url(['redis', 'rediss']),
    unset: 'the queue is in the database',
    example: 'redis://localhost:6379',
    secret: true,
    about: 'The queue in Redis: one server, not a cluster; requires DATABASE_URL.',
  },
  DATABASE_CA_FILE: {
    kind: kind.text(),
    example: '/etc/wma/database-ca.pem',
    about:
      'The authority (PEM) that signed the certificate of Postgres; turns TLS on unless DATABASE_URL has sslmode.',
  },
  REDIS_CA_FILE: {
    kind: kind.text(),
    example: '/etc/wma/redis-ca.pem',
    about:
      'The authority (PEM) that signed the certificate of Redis, in addition to those that Node trusts; requires rediss://.',
  },
  QUEUE_PREFIX: {
    kind: kind.text(/^[\x21-\x7e]{1,64}$/, 'must be 1 to 64 printable ASCII characters without spaces'),
    default: '{wma}',
    example: '{wma}',
    about:
      'The prefix of all keys of the queue. Installations that share a Redis need different prefixes; the braces are required.',
  },
  QUEUE_WINDOW: {
    kind: kind.count({ min: 1, max: 100_000 }),
    default: '1000',
    example: '1000',
    about:
      'How many media items of one account are in the queue at once; the rest of the backlog waits in the catalogue.',
  },
} as const satisfies Record<string, Variable>;

const store = {
  S3_BUCKET: {
    kind: kind.text(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'must be the name of a bucket'),
    unset: 'embedded',
    example: 'wechat-media',
    about: 'The bucket, which must exist.',
  },
  S3_PRESET: {
    kind: kind.choice(S3_PRESET_NAMES),
    unset: 'guessed from S3_ENDPOINT',
    example: 'aliyun-oss',
    about: 'The vendor, which determines endpoint and addressing.',
  },
  S3_ENDPOINT: {
    kind: kind.baseUrl(),
    unset: "the preset's; AWS without a preset",
    example: 'https://s3.oss-cn-hangzhou.aliyuncs.com',
    about: 'The endpoint, without the bucket (with addressing `cname`: the host that is the bucket).',
  },
  S3_REGION: {
    kind: kind.text(/^[A-Za-z0-9-]{1,64}$/, 'must be letters, digits and -'),
    unset: "AWS_REGION, the endpoint's, or us-east-1",
    example: 'cn-hangzhou',
    about: 'The region, which is part of every signature.',
  },
  S3_ADDRESSING: {
    kind: kind.choice(ADDRESSINGS),
    unset: "the preset's, or path",
    example: 'virtual',
    about: '`virtual`: bucket.host/key; `path`: host/bucket/key; `cname`: host/key.',
  },
  S3_PREFIX: {
    kind: kind.text(
      /^(?!\/)(?!.*\/\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))[A-Za-z0-9/._=-]{1,200}$/,
      'must be at most 200 letters, digits and / . _ = -, not begin with / and contain no empty, . or .. part',
    ),
    example: 'wechat/',
    about: 'The prefix of all object keys, used literally: it usually ends in /.',
  },
  S3_PUBLIC_ENDPOINT: {
    kind: kind.baseUrl(),
    unset: 'S3_ENDPOINT',
    example: 'https://files.example.com',
    about: 'The endpoint in signed links, if browsers reach the store under another host.',
  },
  S3_ACCESS_KEY_ID: {
    kind: secretText(),
    example: 'AKIAEXAMPLE',
    secret: true,
    about: 'The access key id; takes precedence over AWS_ACCESS_KEY_ID.',
  },
  S3_SECRET_ACCESS_KEY: {
    kind: secretText(),
    example: 'the-secret-of-the-key',
    secret: true,
    about: 'The secret of the access key; takes precedence over AWS_SECRET_ACCESS_KEY.',
  },
  AWS_ACCESS_KEY_ID: {
    kind: secretText(),
    example: 'AKIAEXAMPLE',
    secret: true,
    foreign: true,
    about: 'Used with the next two variables if S3_ACCESS_KEY_ID is unset.',
  },
  AWS_SECRET_ACCESS_KEY: {
    kind: secretText(),
    example: 'the-secret-of-the-key',
    secret: true,
    foreign: true,
    about: 'The secret of AWS_ACCESS_KEY_ID.',
  },
  AWS_SESSION_TOKEN: {
    kind: secretText(),
    example: 'the-session-token',
    secret: true,
    foreign: true,
    about: 'The session token of a temporary AWS_ACCESS_KEY_ID. It is not renewed.',
  },
  AWS_REGION: {
    kind: kind.text(),
    example: 'eu-central-1',
    foreign: true,
    about: 'Used if S3_REGION is unset.',
  },
  S3_CA_FILE: {
    kind: kind.text(),
    example: '/etc/wma/store-ca.pem',
    about:
      'The authority (PEM) that signed the certificate of S3_ENDPOINT, in addition to those that Node trusts.',
  },
  LINK_TTL: {
    // A presigned URL is valid for at most seven days.
    kind: kind.duration({ min: '1m', max: '7d' }),
    default: '1h',
    example: '15m',
    about: 'How long a signed link is valid.',
  },
} as const satisfies Record<string, Variable>;

const wechat = {
  WECHAT_APP_ID: {
    kind: kind.text(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -'),
    unset: 'ACCOUNTS_FILE, or simulated',
    example: 'wx0123456789abcdef',
    about: 'The appId of the only account.',
  },
  WECHAT_APP_SECRET: {
    kind: secretText(),
    example: '0123456789abcdef0123456789abcdef',
    secret: true,
    about: 'The AppSecret of WECHAT_APP_ID.',
  },
  WECHAT_TOKEN: {
    kind: secretText(/^[\x21-\x7e]{1,128}$/, 'must be printable ASCII without spaces'),
    example: 'the-token-of-the-console',
    secret: true,
    about: "The token that was typed into WeChat's console; WeChat signs callbacks with it.",
  },
  WECHAT_ENCODING_AES_KEY: {
    kind: secretText(/^[A-Za-z0-9]{43}$/, 'must be the 43 letters and digits that the console shows'),
    unset: 'plain mode',
    example: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
    secret: true,
    about: 'Decrypts callbacks in compatible and safe mode.',
  },
  ACCOUNTS_FILE: {
    kind: kind.text(),
    example: '/etc/wma/accounts.json',
    about: 'Several accounts, instead of WECHAT_APP_ID: a JSON array as in docs/configuration.md.',
  },
  WECHAT_API_BASE_URL: {
    kind: kind.baseUrl(),
    default: 'https://api.weixin.qq.com',
    example: 'https://api2.weixin.qq.com',
    about: "WeChat's API.",
  },
  WECOM_API_BASE_URL: {
    kind: kind.baseUrl(),
    default: 'https://qyapi.weixin.qq.com',
    example: 'https://qyapi.weixin.qq.com',
    about: "WeCom's API, for accounts of product `wecom`.",
  },
  WECHAT_VIDEO_BASE_URL: {
    kind: kind.baseUrl(),
    emptyIsOff: true,
    unset: 'WECHAT_API_BASE_URL over http',
    example: 'http://api.weixin.qq.com',
    about:
      'Used for videos that WeChat does not serve over https. The token is sent unencrypted; an empty value turns this off.',
  },
  WECHAT_PROXY: {
    kind: kind.url(['http', 'https']),
    example: 'http://proxy.example.com:3128',
    secret: true,
    about: "A proxy for requests to WeChat, for example the only host on WeChat's IP allow-list.",
  },
  WECHAT_CA_FILE: {
    kind: kind.text(),
    example: '/etc/wma/proxy-ca.pem',
    about:
      'The authority (PEM) of a proxy or gateway that terminates TLS in place of WeChat, in addition to those that Node trusts.',
  },
} as const satisfies Record<string, Variable>;

const work = {
  FETCH_ALLOW_HOSTS: {
    kind: kind.hosts(),
    example: 'cdn.example.com,10.0.0.5:8443',
    about: 'Hosts to which video and picture links may lead although the SSRF guard would refuse them.',
  },
  FETCH_IDLE_TIMEOUT: {
    kind: kind.duration({ min: '10ms', max: '1h' }),
    default: '15s',
    example: '30s',
    about: 'The longest pause without data in a download.',
  },
  FETCH_TOTAL_TIMEOUT: {
    kind: kind.duration({ min: '10ms', max: '24h' }),
    default: '10m',
    example: '20m',
    about: 'The longest duration of a download.',
  },
  WORKER_CONCURRENCY: {
    kind: concurrency(),
    default: '16',
    example: '32',
    about: 'How many jobs run at once in a process.',
  },
  ACCOUNT_CONCURRENCY: {
    kind: concurrency(),
    default: '4',
    example: '8',
    about: 'How many downloads of one account run at once in a process.',
  },
  BYTE_BUDGET: {
    // The memory of one multipart upload: with a smaller budget it would never start.
    kind: kind.size({ min: `${uploadMemoryBytes(undefined) / 2 ** 20}MiB`, max: '1024GiB' }),
    default: '256MiB',
    example: '512MiB',
    about: 'How many bytes of media items a process may have in memory at once.',
  },
  MAX_MEDIA_BYTES: {
    // The largest multipart upload.
    kind: kind.size({
      min: '1',
      max: `${Math.floor((MAX_PARTS * UPLOAD_PARTS.partSizeBytes) / 2 ** 30)}GiB`,
    }),
    default: '200MiB',
    example: '500MiB',
    about: 'The largest media item that is archived.',
  },
  SPOOL_BYTES: {
    kind: kind.size({ min: '1MiB', max: '1024GiB' }),
    default: '256MiB',
    example: '1GiB',
    about:
      'The space in DATA_DIR for callbacks that arrive while the database is unavailable: about 500 bytes each. When it is full, callbacks get 503.',
  },
  PREVIEW_CACHE: {
    kind: kind.size({ min: '0', max: '1024GiB' }),
    default: '256MiB',
    example: '1GiB',
    about:
      'The space in DATA_DIR for previews: thumbnails of pictures, and voices that were converted for browsers. 0: none is stored.',
  },
  RETENTION: {
    kind: kind.duration({ min: '1s', max: '36500d' }),
    unset: 'never',
    example: '365d',
    about: 'The age, counted from sentAt, at which a media item is erased.',
  },
  EVENT_RETENTION: {
    kind: kind.duration({ min: '1s', max: '3650d' }),
    default: '30d',
    example: '90d',
    about: 'How long events stay in the feed of GET /v1/events.',
  },
  MEDIA_LIFETIME: {
    kind: kind.duration({ min: '1s', max: LONGEST }),
    default: '72h',
    example: '72h',
    about: 'How long WeChat stores a media item.',
  },
  TIME_SCALE: {
    kind: kind.factor({ min: 1, max: 1_000_000 }),
    default: '1',
    example: '720',
    about: 'For tests and the demo: with 720, three days take six minutes.',
  },
  ALERT_URL: {
    kind: kind.url(['http', 'https']),
    example: 'https://alerts.example.com/hook',
    secret: true,
    about:
      'Where alerts are sent: a robot of WeCom, DingTalk or Feishu, recognised by its host, or any address that accepts JSON; the signing secret of a robot after #. See docs/operations.md.',
  },
  METRICS_PORT: {
    kind: kind.optionalPort(),
    unset: 'off',
    example: '9090',
    about:
      'The port on which a worker or sweeper serves /metrics, /livez and /readyz, on HOST, without a key.',
  },
  SHUTDOWN_GRACE: {
    kind: kind.duration({ min: '0', max: '1h' }),
    default: '20s',
    example: '1m',
    about: 'How long running jobs may take to finish after SIGTERM.',
  },
} as const satisfies Record<string, Variable>;

const webhooks = {
  WEBHOOK_URL: {
    kind: kind.url(['http', 'https']),
    example: 'https://example.com/hooks/wechat',
    secret: true,
    about:
      'An endpoint that gets every event as a webhook, besides those that are made over the API; requires WEBHOOK_SECRET. See docs/events.md.',
  },
  WEBHOOK_SECRET: {
    kind: kind.signingSecret(),
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=',
    secret: true,
    about:
      'The secret that signs what is sent to WEBHOOK_URL. After a change the previous one signs too for 24 h.',
  },
  WEBHOOK_ALLOW_HOSTS: {
    kind: kind.allowList(),
    example: 'hooks.example.lan:8080,10.0.0.0/8',
    about:
      'Hosts to which webhooks may be sent over http and at private addresses; and networks whose addresses they may reach.',
  },
} as const satisfies Record<string, Variable>;

const traces = {
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    kind: kind.baseUrl(),
    unset: 'no traces',
    example: 'http://otel-collector:4318',
    about:
      'The receiver of traces (OTLP over HTTP); `/v1/traces` is appended. Without it nothing of OpenTelemetry is loaded.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    kind: kind.url(['http', 'https']),
    unset: 'OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces',
    example: 'https://otlp.example.com/v1/traces',
    secret: true,
    about: 'The address for traces alone, with its whole path.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    kind: secretText(),
    example: 'authorization=Bearer%20the-token',
    secret: true,
    about: 'Headers for the receiver: a comma list of `name=value`, values percent-encoded.',
  },
  OTEL_EXPORTER_OTLP_TIMEOUT: {
    kind: kind.duration({ min: '100ms', max: '5m' }),
    default: '10s',
    example: '5000',
    about: 'How long sending spans may take, with repeats; then they are lost.',
  },
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    kind: kind.text(),
    default: 'http/protobuf',
    example: 'http/protobuf',
    about: 'Only `http/protobuf` is supported, usually on port 4318.',
  },
  OTEL_EXPORTER_OTLP_CERTIFICATE: {
    kind: kind.text(),
    example: '/etc/wma/otel-ca.pem',
    about:
      'The authority (PEM) that signed the certificate of the receiver, in addition to those that Node trusts.',
  },
  OTEL_SERVICE_NAME: {
    kind: kind.text(),
    default: 'wechat-media-archiver',
    example: 'media-archiver',
    about: 'The attribute `service.name` of all spans.',
  },
  OTEL_RESOURCE_ATTRIBUTES: {
    kind: kind.text(),
    example: 'deployment.environment.name=production',
    about: 'Attributes of all spans: a comma list of `name=value`, values percent-encoded.',
  },
  OTEL_TRACES_SAMPLER: {
    kind: kind.text(),
    default: 'parentbased_always_on',
    example: 'parentbased_traceidratio',
    about:
      'Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of them after `parentbased_`, with which the decision of the caller holds.',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    kind: kind.text(),
    unset: '1',
    example: '0.1',
    about: 'The share of traces for `traceidratio`, from 0 to 1.',
  },
  OTEL_TRACES_EXPORTER: {
    kind: kind.text(),
    default: 'otlp',
    example: 'none',
    about: '`none` turns traces off.',
  },
  OTEL_SDK_DISABLED: {
    kind: kind.flag(),
    default: '0',
    example: 'true',
    about: 'Turns traces off.',
  },
} as const satisfies Record<string, Variable>;

const commandLine = {
  WMA_URL: {
    kind: kind.baseUrl(),
    unset: 'HOST and PORT of this machine',
    example: 'https://media.example.com',
    about: 'The server that the command `wma` uses.',
  },
  WMA_API_KEY: {
    kind: secretText(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'),
    unset: 'a key of API_KEYS, or the key file in DATA_DIR',
    example: 'a-secret-of-API_KEYS',
    secret: true,
    about: 'The key that the command `wma` sends; only the secret.',
  },
} as const satisfies Record<string, Variable>;

export const VARIABLES = {
  ...listening,
  ...catalogue,
  ...store,
  ...wechat,
  ...work,
  ...webhooks,
  ...traces,
  ...commandLine,
} as const;

/** The sections in the order of the documentation. */
export const SECTIONS: readonly (readonly [title: string, variables: Readonly<Record<string, Variable>>])[] =
  [
    ['Server', listening],
    ['Catalogue and queue', catalogue],
    ['Store', store],
    ['WeChat', wechat],
    ['Work', work],
    ['Webhooks', webhooks],
    ['Traces', traces],
    ['Command line', commandLine],
  ];

export type VariableName = keyof typeof VARIABLES;

type ValueOf<V> = V extends { kind: kind.Kind<infer T> }
  ? V extends { default: string }
    ? T
    : T | undefined
  : never;

/** The values of all variables after reading. */
export type Values = { readonly [N in VariableName]: ValueOf<(typeof VARIABLES)[N]> };
