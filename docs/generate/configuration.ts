/** Generates `.env.example` and docs/configuration.md from the tables by which the program reads its configuration. */
import { ACCOUNT_FIELDS } from '../../src/config/accounts/accounts-file.ts';
import { TOKEN_SOURCES } from '../../src/config/accounts/token-source.ts';
import { S3_PRESETS, type S3Preset } from '../../src/config/s3-presets.ts';
import { SECTIONS, type Variable } from '../../src/config/schema.ts';

/** Returns all variables, commented out, so that an unchanged copy of the file has no effect. */
export function envExample(): string {
  const blocks = SECTIONS.map(([title, variables]) => {
    const own = Object.entries(variables).filter(([, variable]) => !variable.foreign);
    const lines = own.map(([name, variable]) => `# ${plain(variable)}\n#${name}=${variable.example}\n`);
    return `## ${title}\n\n${lines.join('\n')}`;
  });
  const head =
    '# Copy this file to .env and uncomment what you need; docs/configuration.md has more. The environment overrides .env.';
  return `${head}\n\n${blocks.join('\n')}`;
}

export function configurationPage(): string {
  return [INTRODUCTION, ...SECTIONS.map(section), accountsFile(), presets()].join('\n');
}

const INTRODUCTION = `# Configuration

[中文](zh/configuration.md)

Everything is set by environment variables. \`.env\` in the working directory is also read; the environment overrides it.
All mistakes are reported together, each with an example, and the program exits with code 78. A name that seems to be a
misspelling of a variable is also a mistake. An empty value counts as unset, except for \`WECHAT_VIDEO_BASE_URL\`.

Sizes: \`256MiB\` (KiB MiB GiB, KB MB GB, a bare number is bytes). Durations: \`15s\` (ms s m h d, a bare number is
milliseconds). A variable marked 🔒 is a secret and can be set as a file instead: \`NAME_FILE=/run/secrets/…\`;
surrounding white space, line breaks and a byte order mark are removed.

Two variables choose the shape:

| \`DATABASE_URL\` | \`REDIS_URL\` | queue | catalogue | processes |
|---|---|---|---|---|
| unset | unset | embedded database | embedded, in \`DATA_DIR\` | one |
| set | unset | Postgres | Postgres | many |
| set | set | Redis | Postgres | many; the fastest |

Without \`S3_BUCKET\` the store is also embedded. Without any configuration WeChat is simulated; \`DATABASE_URL\` or
\`S3_BUCKET\` without an account is a mistake. An account without \`DATABASE_URL\` or without \`S3_BUCKET\` requires
\`ALLOW_EMBEDDED=1\`, and so do embedded parts with \`NODE_ENV=production\`.

Kubernetes sets a variable for each Service in a pod: one named \`metrics\` becomes \`METRICS_PORT=tcp://…\`. Such
values are ignored, with a warning if the name is one of these variables; \`enableServiceLinks: false\` prevents them.
`;

function section([title, variables]: (typeof SECTIONS)[number]): string {
  const rows = Object.entries(variables).map(([name, variable]) => [
    `\`${name}\`${variable.secret && !variable.foreign ? ' 🔒' : ''}`,
    variable.kind.label,
    variable.default === undefined ? (variable.unset ?? '–') : `\`${variable.default}\``,
    `\`${variable.example}\``,
    variable.about,
  ]);
  return table(title, ['variable', 'kind', 'default', 'example', 'meaning'], rows);
}

function accountsFile(): string {
  const rows = ACCOUNT_FIELDS.map(({ name, about }) => [`\`${name}\``, about]);
  return `${table('ACCOUNTS_FILE', ['field', 'meaning'], rows)}
\`\`\`json
[
  { "appId": "wx0123456789abcdef", "name": "shop", "secretFile": "shop.secret", "token": "the-token" },
  { "appId": "wxfedcba9876543210", "product": "miniprogram", "secret": "…", "token": "another-token" },
  { "appId": "wx1111111111111111", "token": "…", "tokenSource": { "type": "redis", "urlFile": "redis.url", "key": "wx:access_token:wx1111111111111111" } },
  { "product": "wecom", "corpId": "ww0123456789abcdef", "agentId": 1000002, "secretFile": "wecom.secret", "token": "…", "encodingAesKey": "…" }
]
\`\`\`

${table(
  'tokenSource',
  ['type', 'fields', 'meaning'],
  TOKEN_SOURCES.map(([type, fields, about]) => [`\`${type}\``, fields, about]),
)}
A field marked 🔒 may be in a file instead: \`urlFile\`, \`componentSecretFile\`, … relative to ACCOUNTS_FILE. Tokens of
\`redis\`, \`http\` and \`static\` are external and never refreshed by this service.
`;
}

function presets(): string {
  const rows = Object.entries<S3Preset>(S3_PRESETS).map(([name, preset]) => [
    `\`${name}\``,
    preset.endpoint ? `\`${preset.endpoint}\`` : 'yours',
    preset.addressing,
    preset.notes,
  ]);
  return table('S3_PRESET', ['preset', 'endpoint', 'addressing', 'notes'], rows);
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `## ${title}\n\n${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}

function plain({ about, default: standard, unset, secret }: Variable): string {
  const otherwise = standard === undefined ? unset : standard;
  const notes = [otherwise && `default: ${otherwise}`, secret && 'secret: also as _FILE'].filter(Boolean);
  return `${about.replaceAll('`', '')}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`;
}
