/** ACCOUNTS_FILE: a JSON array of accounts, refused field by field. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Account, PRODUCTS } from '../account.ts';
import { nearest } from './misspelling.ts';

const AES_KEY = z
  .string()
  .regex(/^[A-Za-z0-9]{43}$/, 'must be the 43 letters and digits that the console shows')
  .optional();

const NOT_YET = 'is not supported by this release yet';

const entrySchema = z.strictObject({
  product: z.enum(PRODUCTS).default('official').describe('`official` or `miniprogram`'),
  appId: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')
    .optional()
    .describe('The AppID: the account’s identity'),
  corpId: z.string().optional().describe(`WeCom; ${NOT_YET}`),
  agentId: z.union([z.string(), z.int()]).optional().describe(`WeCom; ${NOT_YET}`),
  name: z
    .string()
    // Names stand in URLs and in API_KEYS, between its : , @ and +.
    .regex(/^(?!\.{1,2}$)[\p{L}\p{N}_.-]{1,64}$/u, 'must be 1 to 64 letters, digits, dots, _ or -')
    .optional()
    .describe('A label accepted wherever an account is asked for'),
  secret: z.string().min(1, 'must not be empty').optional().describe('The AppSecret'),
  secretFile: z.string().min(1).optional().describe('A file that holds it; relative to this file'),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be printable ASCII without spaces')
    .describe('The token typed into the console'),
  encodingAesKey: AES_KEY.describe('43 letters and digits; absent in plain mode'),
  previousEncodingAesKey: AES_KEY.describe('The key before the last change'),
  requireEncryption: z
    .boolean()
    .optional()
    .describe('Refuse callbacks in plain text; default true in production with a key'),
  tokenSource: z.string().default('stable_token').describe('`stable_token`'),
  upstreamUrl: z.string().optional().describe(`Passing callbacks on; ${NOT_YET}`),
  concurrency: z.int().min(1).max(1000).optional().describe('Downloads at once; default ACCOUNT_CONCURRENCY'),
});

type Entry = z.infer<typeof entrySchema>;

/** For the documentation. */
export const ACCOUNT_FIELDS = Object.entries(entrySchema.shape).map(([name, field]) => ({
  name,
  about: field.description ?? '',
}));

export interface AccountDefaults {
  readonly concurrency: number;
  readonly production: boolean;
}

/** `wrong` lists every mistake with index and field; no sentence repeats a value. Reads `secretFile`s. */
export function parseAccounts(
  text: string,
  options: AccountDefaults & { path: string; readFile: (path: string) => string },
): { accounts: Account[]; wrong: string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // The message quotes the text around the mistake, and that may be a secret.
    const place = /line \d+ column \d+/.exec(String(error))?.[0];
    return { accounts: [], wrong: [`is not JSON${place ? `: see ${place}` : ''}`] };
  }
  if (!Array.isArray(json) || json.length === 0) {
    return { accounts: [], wrong: ['must be a JSON array of at least one account'] };
  }
  const accounts: Account[] = [];
  const wrong: string[] = [];
  for (const [index, raw] of json.entries()) {
    const say = (field: string, problem: string) =>
      wrong.push(`[${index}]${field && `.${field}`} ${problem}`);
    const parsed = entrySchema.safeParse(raw);
    if (!parsed.success) {
      sayIssues(parsed.error, say);
      continue;
    }
    const entry = parsed.data;
    const secret = readSecret(entry, options, say);
    if (refused(entry, say) || !entry.appId || secret === undefined) continue;
    accounts.push(accountOf({ ...entry, appId: entry.appId, secret }, options));
  }
  wrong.push(...collisions(accounts));
  return { accounts, wrong };
}

type Say = (field: string, problem: string) => void;

function sayIssues(error: z.ZodError, say: Say): void {
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') {
      const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
      const problem = missing
        ? 'is missing'
        : issue.message.replace(/^Invalid (input|option): /, 'is wrong: ');
      say(issue.path.join('.'), problem);
      continue;
    }
    for (const key of issue.keys) {
      const meant = nearest(key, Object.keys(entrySchema.shape));
      say(key.slice(0, 40), `is not a known field${meant ? `; did you mean ${meant}?` : ''}`);
    }
  }
}

function readSecret(
  entry: Entry,
  options: { path: string; readFile: (path: string) => string },
  say: Say,
): string | undefined {
  if (entry.secret !== undefined && entry.secretFile !== undefined)
    say('secretFile', 'is set, and secret too');
  else if (entry.secret !== undefined) return entry.secret;
  else if (entry.secretFile === undefined) say('secret', 'is missing (or secretFile)');
  else {
    const path = resolve(dirname(options.path), entry.secretFile);
    try {
      const secret = options.readFile(path).replace(/\r?\n$/, '');
      if (secret) return secret;
      say('secretFile', `is empty: ${path}`);
    } catch (error) {
      say('secretFile', `cannot be read: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    }
  }
  return undefined;
}

/** What cannot stand together, and what the schema knows but the program does not do yet. */
function refused(entry: Entry, say: Say): boolean {
  const notYet = [
    entry.product === 'wecom' && 'product wecom',
    entry.tokenSource !== 'stable_token' && 'tokenSource other than stable_token',
    entry.upstreamUrl !== undefined && 'upstreamUrl',
  ].filter((what) => what !== false);
  for (const what of notYet) say('', `${what} ${NOT_YET}`);
  if (notYet.length > 0) return true;
  if (entry.corpId !== undefined || entry.agentId !== undefined)
    say('corpId', 'and agentId are for product wecom');
  else if (!entry.appId) say('appId', 'is missing');
  else if (entry.requireEncryption && !entry.encodingAesKey) say('requireEncryption', 'needs encodingAesKey');
  else if (entry.previousEncodingAesKey && !entry.encodingAesKey) {
    say('previousEncodingAesKey', 'needs encodingAesKey');
  } else return false;
  return true;
}

/** One account with its defaults; `requireEncryption` is on only in production with a key. */
export function accountOf(
  entry: Pick<Account, 'appId' | 'secret' | 'token'> & {
    [F in
      | 'name'
      | 'product'
      | 'encodingAesKey'
      | 'previousEncodingAesKey'
      | 'requireEncryption'
      | 'concurrency']?: Account[F] | undefined;
  },
  defaults: AccountDefaults,
): Account {
  const { name, encodingAesKey, previousEncodingAesKey } = entry;
  return {
    account: entry.appId,
    product: entry.product ?? 'official',
    ...(name ? { name } : {}),
    appId: entry.appId,
    secret: entry.secret,
    token: entry.token,
    ...(encodingAesKey ? { encodingAesKey } : {}),
    ...(previousEncodingAesKey ? { previousEncodingAesKey } : {}),
    requireEncryption: entry.requireEncryption ?? (defaults.production && encodingAesKey !== undefined),
    concurrency: entry.concurrency ?? defaults.concurrency,
  };
}

/** Every word that finds an account finds one. */
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
      wrong.push(`names an account ${name}, which is another's appId`);
  }
  return wrong;
}
