/** The message that is printed at start, and the one before it while the service starts. */
import type { AppContext } from '../../app/app-context.ts';
import type { ApiKey } from '../../config/api-keys.ts';
import type { Config } from '../../config/config.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createAccess } from '../auth/access.ts';
import { callbackUrlOf } from '../callbacks/callback-url.ts';
import { startTexts } from './texts.ts';

/**
 * Whether a login link may be printed: on a terminal, or with the embedded database outside production. The output of a
 * server in production is a log that more people can read; there, `wma login` creates a link.
 */
export function mayShowLoginLink(
  { production, shape }: Pick<Config, 'production' | 'shape'>,
  output: { readonly isTTY?: boolean },
): boolean {
  return output.isTTY === true || (shape.database === 'embedded' && !production);
}

/**
 * Returns the message that is printed at start: the table of the checks, the addresses for WeChat's console, the key
 * file, and last the dashboard.
 */
export function startMessage(
  context: Pick<AppContext, 'accounts' | 'config'>,
  server: { readonly url: string; readonly callbackUrl?: string; createLoginLink(): string },
  options: { showLoginLink: boolean; keyFile?: string | undefined; table?: string },
): string {
  const { http, shape } = context.config;
  const texts = startTexts(context.config);
  const { publicUrl } = http;
  const base = publicUrl ?? server.callbackUrl ?? server.url;
  const callbacks = context.accounts.all.map(({ account, name }) => {
    const url = callbackUrlOf(base, account);
    return name ? `${url}  (${name})` : url;
  });
  const isReachable = publicUrl !== undefined || shape.wechat === 'simulated';
  const sections: [string, readonly string[]][] = [
    [texts.console, [...callbacks, ...(isReachable ? [] : [texts.setPublicUrl])]],
    [texts.key, options.keyFile ? [options.keyFile] : []],
    options.showLoginLink
      ? [texts.page(texts.signsIn), [server.createLoginLink()]]
      : [texts.page(texts.signIn), [server.url]],
  ];
  const text = sections
    .filter(([, values]) => values.length > 0)
    .map(([title, values]) => `  ${title}\n${values.map((value) => `    ${value}\n`).join('')}`);
  return `\n${[...(options.table ? [options.table] : []), ...text].join('\n')}\n`;
}

/** How long a start may take before it says that it is starting. The first start says it at once. */
const QUIET_MS = 2_000;

/**
 * Prints that the service is starting, with a link that works as soon as it is ready, where a link may be shown. Returns
 * a function that ends it: nothing is printed from then on.
 */
export function announceStart(
  config: Pick<Config, 'language'>,
  options: {
    isFirstStart: boolean;
    /** The address of the server, if a login link may be shown. */
    url: string | undefined;
    keys: readonly ApiKey[];
    print: (text: string) => void;
  },
): () => void {
  const { isFirstStart, url, keys, print } = options;
  const texts = startTexts(config);
  const link = url === undefined ? '' : `\n  ${texts.page(texts.early)}\n    ${earlyLoginLink(url, keys)}\n`;
  const announce = () => print(`\n  ${isFirstStart ? texts.creating : texts.starting}\n${link}`);
  if (isFirstStart) {
    announce();
    return () => undefined;
  }
  const timer = setTimeout(announce, QUIET_MS);
  return () => clearTimeout(timer);
}

/** Tickets are signed with the keys, so they can be created before the database is open, which knows the used ones. */
function earlyLoginLink(url: string, keys: readonly ApiKey[]): string {
  const revocations = { add: async () => false, has: async () => true };
  const access = createAccess(keys, { clock: systemClock, revocations });
  return `${url}/login?ticket=${access.createLoginTicket().ticket}`;
}
