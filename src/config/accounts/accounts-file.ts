/** Parses ACCOUNTS_FILE, a JSON array of accounts, and reports every invalid field. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Account, PRODUCTS, type Product, type TokenSource } from '../../account.ts';
import { closestWord } from '../values/misspelling.ts';
import { secretIn } from '../values/secret-file.ts';
import { type ReadSecret, type ReadSource, readTokenSource, tokenSourceSchema } from './token-source.ts';

const AES_KEY = z
  .string()
  .regex(/^[A-Za-z0-9]{43}$/, 'must be the 43 letters and digits that the console shows')
  .optional();

function isHandlerUrl(text: string): boolean {
  const url = URL.parse(text);
  return /^https?:$/.test(url?.protocol ?? '') && !url?.username && !url?.password && !url?.hash;
}

const entrySchema = z.strictObject({
  product: z.enum(PRODUCTS).default('official').describe('`official`, `miniprogram` or `wecom`'),
  appId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')
    .optional()
    .describe('The AppID: the account’s identity; WeCom has `corpId` and `agentId` instead'),
  corpId: z
    .string()
    .regex(/^[A-Za-z0-9_]{1,64}$/, 'must be 1 to 64 letters, digits or _')
    .optional()
    .describe('WeCom: the corporation; `corpId-agentId` is the account’s identity'),
  agentId: z
    .union([z.string().regex(/^\d{1,20}$/, 'must be a number'), z.int().min(0)])
    .optional()
    .describe('WeCom: the application (the one with access to customer service)'),
  name: z
    .string()
    // Names are used in URLs, and in API_KEYS between the separators : , @ and +.
    .regex(/^(?!\.{1,2}$)[\p{L}\p{N}_.-]{1,64}$/u, 'must be 1 to 64 letters, digits, dots, _ or -')
    .optional()
    .describe('A label that can be used instead of the identity'),
  secret: z
    .string()
    .min(1, 'must not be empty')
    .optional()
    .describe('The AppSecret; not needed if `tokenSource` provides the token'),
  secretFile: z.string().min(1).optional().describe('A file that contains the secret; relative to this file'),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be printable ASCII without spaces')
    .describe('The token that was typed into the console'),
  encodingAesKey: AES_KEY.describe('43 letters and digits; absent in plain mode'),
  previousEncodingAesKey: AES_KEY.describe('The key before the last change'),
  requireEncryption: z
    .boolean()
    .optional()
    .describe('Refuse callbacks in plain text; default true in production with a key'),
  tokenSource: tokenSourceSchema
    .optional()
    .describe('The source of access tokens; see below. Default `stable_token`, for WeCom `gettoken`'),
  upstreamUrl: z
    .string()
    .max(2048)
    .refine(isHandlerUrl, 'must be an http:// or https:// URL without user, password or fragment')
    .optional()
    .describe('Your handler: gets every callback and returns the response; the media items are archived too'),
  upstreamOnFailure: z
    .enum(['fail', 'success'])
    .optional()
    .describe(
      'The response to WeChat if that handler fails: `fail`: 504, WeChat sends the callback again (default); `success`: success',
    ),
  concurrency: z.int().min(1).max(1000).optional().describe('Downloads at once; default ACCOUNT_CONCURRENCY'),
});

type Entry = z.infer<typeof entrySchema>;

/** The fields and their descriptions, for the documentation. */
export const ACCOUNT_FIELDS = Object.entries(entrySchema.shape).map(([name, field]) => ({
  name,
  about: field.description ?? '',
}));

export interface AccountDefaults {
  readonly concurrency: number;
  readonly production: boolean;
}

/**
 * Parses the file and reads the `secretFile`s. `wrong` lists every mistake with index and field; no sentence repeats a
 * value.
 */
export function parseAccounts(
  text: string,
  options: AccountDefaults & { path: string; readFile: (path: string) => string },
): { accounts: Account[]; wrong: string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // The message quotes the text around the mistake, which may be a secret.
    const place = /line \d+ column \d+/.exec(String(error))?.[0];
    return { accounts: [], wrong: [`is not JSON${place ? `: see ${place}` : ''}`] };
  }
  if (!Array.isArray(json) || json.length === 0) {
    return { accounts: [], wrong: ['must be a JSON array of at least one account'] };
  }
  const accounts: Account[] = [];
  const wrong: string[] = [];
  for (const [index, raw] of json.entries()) {
    const report = (field: string, problem: string) =>
      wrong.push(`[${index}]${field && `.${field}`} ${problem}`);
    const parsed = entrySchema.safeParse(raw);
    if (!parsed.success) {
      reportIssues(parsed.error, report);
      continue;
    }
    const entry = parsed.data;
    const before = wrong.length;
    const read = readSecrets(entry, options, report);
    const id = identityOf(entry, report);
    checkTogether(entry, report);
    if (wrong.length === before && read && id)
      accounts.push(accountOf({ ...entry, ...id, ...read }, options));
  }
  wrong.push(...collisions(accounts));
  return { accounts, wrong };
}

type Report = (field: string, problem: string) => void;

function reportIssues(error: z.ZodError, report: Report): void {
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') {
      const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
      const problem = missing
        ? 'is missing'
        : issue.message.replace(/^Invalid (input|option|discriminator value)[:.] /, 'is wrong: ');
      report(issue.path.join('.'), problem);
      continue;
    }
    for (const key of issue.keys) {
      const meant = issue.path.length > 0 ? undefined : closestWord(key, Object.keys(entrySchema.shape));
      report(
        [...issue.path, key.slice(0, 40)].join('.'),
        `is not a known field${meant ? `; did you mean ${meant}?` : ''}`,
      );
    }
  }
}

/**
 * Returns the token source and the secret. For `component` it is the secret of the platform; it is empty if the token
 * comes from another program.
 */
function readSecrets(
  entry: Entry,
  options: { path: string; readFile: (path: string) => string },
  report: Report,
): { secret: string; tokenSource: TokenSource | undefined } | undefined {
  const readerOf =
    (prefix: string): ReadSecret =>
    (from, name, need) => {
      const reportPrefixed: Report = (field, problem) => report(prefix + field, problem);
      return readSecret(from, name, need, options, reportPrefixed);
    };
  let read: ReadSource | undefined;
  if (entry.tokenSource) {
    const reportInside: Report = (field, problem) => report(`tokenSource.${field}`, problem);
    read = readTokenSource(entry.tokenSource, readerOf('tokenSource.'), reportInside);
    if (!read) return undefined;
  }
  const tokenSource = read?.source;
  if (tokenSource && ['component', 'redis', 'http', 'static'].includes(tokenSource.type)) {
    for (const name of ['secret', 'secretFile'] as const)
      if (entry[name] !== undefined) report(name, `is not used with tokenSource ${tokenSource.type}`);
    return { secret: read?.secret ?? '', tokenSource };
  }
  const secret = readerOf('')(entry, 'secret', 'needed');
  return secret === undefined ? undefined : { secret, tokenSource };
}

function readSecret(
  from: Readonly<Record<string, unknown>>,
  name: string,
  need: 'needed' | 'optional',
  options: { path: string; readFile: (path: string) => string },
  report: Report,
): string | undefined {
  const { [name]: value, [`${name}File`]: file } = from;
  if (value !== undefined && file !== undefined) report(`${name}File`, `is set, and ${name} too`);
  else if (typeof value === 'string') return value.trim();
  else if (typeof file !== 'string') {
    if (need === 'needed') report(name, `is missing (or ${name}File)`);
  } else {
    const path = resolve(dirname(options.path), file);
    try {
      const read = secretIn(options.readFile(path));
      if ('secret' in read) return read.secret;
      report(`${name}File`, `${read.wrong}: ${path}`);
    } catch (error) {
      report(`${name}File`, `cannot be read: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    }
  }
  return undefined;
}

function identityOf(entry: Entry, report: Report): { account: string; appId: string } | undefined {
  const { product, appId, corpId, agentId } = entry;
  if (product === 'wecom') {
    if (appId !== undefined) report('appId', 'is not for product wecom: set corpId and agentId');
    if (corpId === undefined) report('corpId', 'is missing');
    if (agentId === undefined) report('agentId', 'is missing');
    return corpId === undefined || agentId === undefined
      ? undefined
      : { account: `${corpId}-${agentId}`, appId: corpId };
  }
  if (corpId !== undefined || agentId !== undefined) report('corpId', 'and agentId are for product wecom');
  else if (!appId) report('appId', 'is missing');
  return appId ? { account: appId, appId } : undefined;
}

const SOURCES_OF: Record<Product, readonly TokenSource['type'][]> = {
  official: ['stable_token', 'token', 'component', 'redis', 'http', 'static'],
  miniprogram: ['stable_token', 'token', 'component', 'redis', 'http', 'static'],
  wecom: ['gettoken', 'redis', 'http', 'static'],
};

/** Reports combinations of fields that are not allowed. */
function checkTogether(entry: Entry, report: Report): void {
  const { product, encodingAesKey } = entry;
  if (entry.upstreamOnFailure && !entry.upstreamUrl) report('upstreamOnFailure', 'needs upstreamUrl');
  if (entry.tokenSource && !SOURCES_OF[product].includes(entry.tokenSource.type))
    report('tokenSource', `${entry.tokenSource.type} is not for product ${product}`);
  if (encodingAesKey) return;
  if (product === 'wecom') report('encodingAesKey', 'is missing: WeCom encrypts every callback');
  else if (entry.tokenSource?.type === 'component')
    report('encodingAesKey', 'is missing: WeChat encrypts every callback of a third-party platform');
  else if (entry.requireEncryption) report('requireEncryption', 'needs encodingAesKey');
  else if (entry.previousEncodingAesKey) report('previousEncodingAesKey', 'needs encodingAesKey');
}

/**
 * Returns one account with its defaults. For official accounts, `requireEncryption` defaults to true only in production
 * with a key.
 */
export function accountOf(
  entry: Pick<Account, 'appId' | 'secret' | 'token'> & {
    [F in
      | 'name'
      | 'product'
      | 'encodingAesKey'
      | 'previousEncodingAesKey'
      | 'requireEncryption'
      | 'tokenSource'
      | 'upstreamUrl'
      | 'upstreamOnFailure'
      | 'account'
      | 'concurrency']?: Account[F] | undefined;
  },
  defaults: AccountDefaults,
): Account {
  const { name, encodingAesKey, previousEncodingAesKey, tokenSource, upstreamUrl, upstreamOnFailure } = entry;
  return {
    account: entry.account ?? entry.appId,
    product: entry.product ?? 'official',
    ...(name ? { name } : {}),
    appId: entry.appId,
    secret: entry.secret,
    ...(tokenSource ? { tokenSource } : {}),
    token: entry.token,
    ...(encodingAesKey ? { encodingAesKey } : {}),
    ...(previousEncodingAesKey ? { previousEncodingAesKey } : {}),
    ...(upstreamUrl ? { upstreamUrl } : {}),
    ...(upstreamOnFailure ? { upstreamOnFailure } : {}),
    requireEncryption:
      entry.requireEncryption ??
      (entry.product === 'wecom' ||
        tokenSource?.type === 'component' ||
        (defaults.production && encodingAesKey !== undefined)),
    concurrency: entry.concurrency ?? defaults.concurrency,
  };
}

/** Reports names and identities that would find more than one account. */
function collisions(accounts: readonly Account[]): string[] {
  const ids = new Set<string>();
  const names = new Set<string>();
  const wrong: string[] = [];
  for (const { account, name } of accounts) {
    if (ids.has(account)) wrong.push(`has account ${account} twice`);
    ids.add(account);
    if (name && names.has(name)) wrong.push(`has the name ${name} twice`);
    if (name) names.add(name);
  }
  for (const { account, name } of accounts) {
    if (name && name !== account && ids.has(name))
      wrong.push(`names an account ${name}, which is another's identity`);
  }
  return wrong;
}
