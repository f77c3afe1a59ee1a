/** The state of the simulated WeChat and its API, without the sockets. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Lifetimes } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createAccessTokens, type SimulatedAccount } from './accounts/access-tokens.ts';
import { createQuotas } from './accounts/quotas.ts';
import { type Components, createComponents, type SimulatedComponent } from './api/components.ts';
import { type CustomerService, createCustomerService } from './api/customer-service.ts';
import { createLinkRoutes } from './api/link-routes.ts';
import { type PublicUrls, pictureLink } from './api/links.ts';
import { createMediaRoutes } from './api/media-routes.ts';
import { createQuotaRoutes } from './api/quota-routes.ts';
import { createTokenRoutes } from './api/token-routes.ts';
import {
  ACCOUNT_FAULTS,
  type AccountFault,
  type AccountFaultName,
  type AccountFaultSpec,
} from './faults/account-fault-table.ts';
import { createAccountFaults } from './faults/account-faults.ts';
import { createAccountWideFaults, type FaultEndpoint } from './faults/account-wide-faults.ts';
import { createRequestLog, type RequestLog } from './http/request-log.ts';
import { sendText } from './http/responses.ts';
import { type Digest, digestOf, type Rendition } from './media/contents.ts';
import { type MediaRecipe, mintMediaId, type ResponseFault } from './media/media-id.ts';

export interface SimulatedWechatOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly lifetimes: Pick<Lifetimes, 'lifetimeMs'>;
  readonly accounts: readonly SimulatedAccount[];
  /** Third-party platforms. */
  readonly components?: readonly SimulatedComponent[];
  readonly log: Log;
  /** Life of access tokens; default two hours. On the wire in whole seconds, never scaled. */
  readonly tokenLifetimeMs?: number;
  /** How long a replaced classic token still works; default five minutes. */
  readonly tokenOverlapMs?: number;
  /** Life of video links; default ten minutes. */
  readonly linkLifetimeMs?: number;
}

/** Every method that takes an account's identity throws RangeError where there is no such account. */
export interface SimulatedWechat {
  readonly requestLog: RequestLog;
  readonly customerService: Pick<CustomerService, 'receive'>;
  readonly components: Omit<Components, 'handle'>;
  now(): Date;
  accountOf(account: string): SimulatedAccount;
  componentOf(appId: string): SimulatedComponent;
  /** Returns a media id of the account, created now by default. */
  mint(
    account: string,
    recipe: Omit<MediaRecipe, 'appId' | 'createdAt'> & Partial<Pick<MediaRecipe, 'createdAt'>>,
  ): string;
  /** Returns size and sha256 of the file of an id; undefined where the account never had it. */
  digestOf(account: string, mediaId: string, rendition?: Rendition): Promise<Digest | undefined>;
  /** Returns the PicUrl of a picture. */
  picUrl(mediaId: string): string;
  /** Invalidates every access token issued to the account so far. */
  invalidateTokens(account: string): void;
  /**
   * Applies a response fault to every response to the account at one endpoint (default media/get); `times` counts the
   * account's requests. Undefined ends it. Endpoints without a file accept only faults that need none.
   */
  setAccountWideFault(account: string, fault: ResponseFault | undefined, endpoint?: FaultEndpoint): void;
  /** Begins a fault of the account, beside those that are active. */
  beginAccountFault(account: string, fault: AccountFault): void;
  accountFaultsOf(account: string): readonly AccountFault[];
  /** Ends one fault of the account, or all of them. */
  endAccountFault(account: string, name?: AccountFaultName): void;
  /** Sets the day's quota counters to zero. */
  resetQuotas(account: string): void;
}

export interface SimulatedApi {
  readonly wechat: SimulatedWechat;
  /** Responds to a request at WeChat's hosts. */
  handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Responds to a request at a host that is not WeChat's, and counts it. */
  handleForeign(request: IncomingMessage, response: ServerResponse): void;
}

const LINK_LIFETIME_MS = 600_000;

function find<Item>(items: readonly Item[], matches: (item: Item) => boolean, what: string): Item {
  const found = items.find(matches);
  if (!found) throw new RangeError(`no simulated ${what}`);
  return found;
}

/** `publicUrls` is called at each request, because the addresses are known only once the sockets listen. */
export function createSimulatedWechat(
  options: SimulatedWechatOptions,
  publicUrls: () => PublicUrls,
): SimulatedApi {
  const { accounts, clock, log, components: platforms = [] } = options;
  const requestLog = createRequestLog();
  const tokens = createAccessTokens({
    accounts,
    clock,
    ...(options.tokenLifetimeMs !== undefined && { lifetimeMs: options.tokenLifetimeMs }),
    ...(options.tokenOverlapMs !== undefined && { overlapMs: options.tokenOverlapMs }),
  });
  const quotas = createQuotas({ clock });
  const accountFaults = createAccountFaults({ clock });
  const foreignUrl = () => publicUrls().foreign;
  const accountWideFaults = createAccountWideFaults({ requestLog, foreignUrl });
  const customerService = createCustomerService({ clock, tokens, accountWideFaults, requestLog });
  const components = createComponents({ components: platforms, accounts, clock, tokens, requestLog });
  const tokenRoutes = createTokenRoutes({
    accounts,
    tokens,
    quotas,
    accountFaults,
    accountWideFaults,
    requestLog,
  });
  const quotaRoutes = createQuotaRoutes({ accounts, tokens, quotas, requestLog });
  const linkRoutes = createLinkRoutes({ accounts, clock, requestLog, foreignUrl });
  const mediaRoutes = createMediaRoutes({
    clock,
    lifetimes: options.lifetimes,
    linkLifetimeMs: options.linkLifetimeMs ?? LINK_LIFETIME_MS,
    log,
    requestLog,
    tokens,
    quotas,
    accountFaults,
    accountWideFaults,
    publicUrls,
  });
  const accountOf = (name: string) => find(accounts, ({ account }) => account === name, `account ${name}`);

  /** Refreshes the tokens of accounts that have a second refresher, where it is due. */
  function refreshExternally(): void {
    for (const { account, how } of accountFaults.dueRefreshes()) {
      requestLog.count('externalTokenRefreshes');
      if (how === 'force') tokens.invalidate(accountOf(account));
      else tokens.issueClassic(accountOf(account));
    }
  }

  async function handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = url;
    refreshExternally();
    if (path === '/cgi-bin/token') return tokenRoutes.classic(query, response);
    if (path === '/cgi-bin/stable_token') return tokenRoutes.stable(request, response);
    if (path === '/cgi-bin/gettoken') return tokenRoutes.wecom(query, response);
    if (path === '/cgi-bin/media/get') return mediaRoutes.media(query, request, response, 'plain');
    if (path === '/cgi-bin/media/get/jssdk') return mediaRoutes.media(query, request, response, 'jssdk');
    if (path === '/cgi-bin/kf/sync_msg') return customerService.sync(query, request, response);
    if (await components.handle(url, request, response)) return;
    if (await quotaRoutes.handle(url, request, response)) return;
    if (await linkRoutes.handle(url, request, response)) return;
    sendText(response, 'Not Found', 'text/html', 404);
  }

  const wechat: SimulatedWechat = {
    requestLog,
    customerService,
    components,
    now: () => clock.now(),
    accountOf,
    componentOf: (appId) => find(platforms, (platform) => platform.appId === appId, `component ${appId}`),
    mint: (account, recipe) =>
      mintMediaId({ createdAt: clock.now(), ...recipe, appId: accountOf(account).appId }),
    digestOf: async (account, mediaId, rendition) => digestOf(mediaId, accountOf(account).appId, rendition),
    picUrl: (mediaId) => pictureLink(publicUrls().pictures, mediaId),
    invalidateTokens: (account) => {
      tokens.invalidate(accountOf(account));
      requestLog.count('tokensInvalidated');
    },
    setAccountWideFault: (account, fault, endpoint = 'media') =>
      accountWideFaults.set(accountOf(account), fault, endpoint),
    beginAccountFault: (name, fault) => {
      const { account } = accountOf(name);
      const { limitedApi }: AccountFaultSpec = ACCOUNT_FAULTS[fault.name];
      if (limitedApi) quotas.limit(account, limitedApi, fault.amount ?? 0);
      accountFaults.begin(account, fault);
    },
    accountFaultsOf: (account) => accountFaults.list(accountOf(account).account),
    endAccountFault: (name, only) => {
      const { account } = accountOf(name);
      for (const fault of accountFaults.list(account)) {
        const { limitedApi }: AccountFaultSpec = ACCOUNT_FAULTS[fault.name];
        if (limitedApi && (!only || only === fault.name)) quotas.limit(account, limitedApi, undefined);
      }
      accountFaults.end(account, only);
    },
    resetQuotas: (account) => quotas.reset(accountOf(account).account),
  };
  return { wechat, handle, handleForeign: linkRoutes.handleForeign };
}
