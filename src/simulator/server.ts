/** A pretend WeChat on a real socket, on 127.0.0.1 alone. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Clock, Lifetimes } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createAccessTokens, type SimulatedAccount } from './accounts/access-tokens.ts';
import { createQuotas } from './accounts/quotas.ts';
import { ADMIN_ROUTES } from './admin-routes.ts';
import { type Components, createComponents, type SimulatedComponent } from './api/components.ts';
import { type CustomerService, createCustomerService } from './api/customer-service.ts';
import { createLinkRoutes } from './api/link-routes.ts';
import { type PublicUrls, pictureLink } from './api/links.ts';
import { createMediaRoutes } from './api/media-routes.ts';
import { createQuotaRoutes } from './api/quota-routes.ts';
import { createTokenRoutes } from './api/token-routes.ts';
import { TROUBLES, type Trouble, type TroubleName, type TroubleRow } from './faults/account-fault-table.ts';
import { createTroubles } from './faults/account-faults.ts';
import { createSpoiling, type Place } from './faults/account-wide-faults.ts';
import { listenLocally } from './http/listen.ts';
import { createLedger, type Ledger } from './http/request-log.ts';
import { parseObject, readBody } from './http/requests.ts';
import { sendText } from './http/responses.ts';
import { type Digest, digestOf, type Rendition } from './media/contents.ts';
import { type Behaviour, type MediaRecipe, mintMediaId } from './media/media-id.ts';

export interface SimulatorOptions {
  /** Default 0: any free port. Media ids outlive a restart; picture and video links only if the port is the same. */
  readonly port?: number;
  readonly clock: Pick<Clock, 'now'>;
  readonly lifetimes: Pick<Lifetimes, 'lifetimeMs'>;
  readonly accounts: readonly SimulatedAccount[];
  /** Third-party platforms. */
  readonly components?: readonly SimulatedComponent[];
  readonly log: Log;
  /** Of access tokens; default two hours. On the wire in whole seconds, never scaled. */
  readonly tokenLifetimeMs?: number;
  /** How long a replaced classic token works on; default five minutes. */
  readonly tokenOverlapMs?: number;
  /** Of video links; default ten minutes. */
  readonly linkLifetimeMs?: number;
  /** Other addresses to write into links than the simulator's own; see links.ts. */
  readonly publicUrls?: Partial<PublicUrls>;
}

export interface Simulator {
  /** `http://127.0.0.1:{port}`: what WECHAT_API_BASE_URL wants; WeCom is at the same address. */
  readonly url: string;
  /** `127.0.0.1:{port}`: what FETCH_ALLOW_HOSTS wants, for video and picture links. */
  readonly host: string;
  /** `127.0.0.1:{port}` of a host that is not WeChat's: a request there is counted as `elsewhereAsked`. */
  readonly elsewhereHost: string;
  readonly ledger: Ledger;
  readonly customerService: Pick<CustomerService, 'receive'>;
  readonly components: Omit<Components, 'answer'>;
  now(): Date;
  /** By identity; throws RangeError where there is none, as every verb below does. */
  accountOf(account: string): SimulatedAccount;
  componentOf(appId: string): SimulatedComponent;
  /** A media id of the account, born now unless told. */
  mint(
    account: string,
    recipe: Omit<MediaRecipe, 'appId' | 'createdAt'> & Partial<Pick<MediaRecipe, 'createdAt'>>,
  ): string;
  /** What the file of an id must be; undefined where the account never had it. */
  digestOf(account: string, mediaId: string, rendition?: Rendition): Promise<Digest | undefined>;
  /** The PicUrl of a picture. */
  picUrl(mediaId: string): string;
  /** Kills every access token of the account issued so far. */
  invalidateTokens(account: string): void;
  /**
   * Lets a whole account misbehave from now on, at media/get unless told; `times` counts its requests. Undefined ends
   * it. Where there is no file, only rows that look at none.
   */
  misbehave(account: string, behaviour: Behaviour | undefined, at?: Place): void;
  /** Brings a trouble upon an account, beside those it has. */
  trouble(account: string, trouble: Trouble): void;
  troublesOf(account: string): readonly Trouble[];
  /** Ends one trouble of an account, or all. */
  heal(account: string, name?: TroubleName): void;
  /** The day's quota counters begin anew. */
  midnight(account: string): void;
  close(): Promise<void>;
}

/** Listens; rejects with a sentence where the port is taken. */
export async function openSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { accounts, clock, log, components: platforms = [] } = options;
  const ledger = createLedger();
  const tokens = createAccessTokens({
    accounts,
    clock,
    ...(options.tokenLifetimeMs !== undefined && { lifetimeMs: options.tokenLifetimeMs }),
    ...(options.tokenOverlapMs !== undefined && { overlapMs: options.tokenOverlapMs }),
  });
  const quotas = createQuotas({ clock });
  const troubles = createTroubles({ clock });
  let publicUrls: PublicUrls;
  const elsewhereUrl = () => publicUrls.elsewhere;
  const spoiling = createSpoiling({ ledger, elsewhereUrl });
  const customerService = createCustomerService({ clock, tokens, spoiling, ledger });
  const components = createComponents({ components: platforms, accounts, clock, tokens, ledger });
  const tokenRoutes = createTokenRoutes({ accounts, tokens, quotas, troubles, spoiling, ledger });
  const answerQuota = createQuotaRoutes({ accounts, tokens, quotas, ledger });
  const linkRoutes = createLinkRoutes({ accounts, clock, ledger, elsewhereUrl });
  const mediaRoutes = createMediaRoutes({
    clock,
    lifetimes: options.lifetimes,
    linkLifetimeMs: options.linkLifetimeMs ?? 600_000,
    log,
    ledger,
    tokens,
    quotas,
    troubles,
    spoiling,
    publicUrls: () => publicUrls,
  });
  const closing = new AbortController();

  function known<Item>(items: readonly Item[], is: (item: Item) => boolean, what: string): Item {
    const found = items.find(is);
    if (!found) throw new RangeError(`no simulated ${what}`);
    return found;
  }
  const accountOf = (name: string) => known(accounts, ({ account }) => account === name, `account ${name}`);

  function letOthersRefresh(): void {
    for (const { account, how } of troubles.thefts()) {
      ledger.count('refreshesElsewhere');
      if (how === 'steal') tokens.invalidate(accountOf(account));
      else tokens.issueClassic(accountOf(account));
    }
  }

  async function answerAdmin(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const json = (body: unknown, status = 200) =>
      sendText(response, JSON.stringify(body), 'application/json', status);
    const route = ADMIN_ROUTES[`${request.method} ${url.pathname.slice('/__simulator/'.length)}`];
    if (!route) return json({ error: 'no such route', routes: Object.keys(ADMIN_ROUTES) }, 404);
    const body = parseObject((await readBody(request)) || '{}');
    if (!body) return json({ error: 'a JSON object is wanted, of 16 kB at most' }, 400);
    const input = { ...Object.fromEntries(url.searchParams), ...body };
    try {
      const result = await route.answer(input, { simulator, log, signal: closing.signal });
      json(result ?? { error: 'nothing there' }, result === undefined ? 404 : 200);
    } catch (error) {
      if (error instanceof z.ZodError) json({ error: z.prettifyError(error), takes: route.takes }, 400);
      else if (error instanceof RangeError) json({ error: error.message, takes: route.takes }, 400);
      else throw error;
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://simulator.invalid');
    const { pathname: path, searchParams: query } = url;
    if (path.startsWith('/__simulator/')) return answerAdmin(url, request, response);
    letOthersRefresh();
    if (path === '/cgi-bin/token') return tokenRoutes.classic(query, response);
    if (path === '/cgi-bin/stable_token') return tokenRoutes.stable(request, response);
    if (path === '/cgi-bin/gettoken') return tokenRoutes.wecom(query, response);
    if (path === '/cgi-bin/media/get') return mediaRoutes.media(query, request, response, 'plain');
    if (path === '/cgi-bin/media/get/jssdk') return mediaRoutes.media(query, request, response, 'jssdk');
    if (path === '/cgi-bin/kf/sync_msg') return customerService.sync(query, request, response);
    if (await components.answer(url, request, response)) return;
    if (await answerQuota(url, request, response)) return;
    if (await linkRoutes.answer(url, request, response)) return;
    sendText(response, 'Not Found', 'text/html', 404);
  }

  const answering = new Set<Promise<void>>();
  const listening = await listenLocally((request, response) => {
    const answered = answer(request, response)
      .catch((error: unknown) => {
        log.error({ err: error, path: request.url?.split('?')[0] }, 'the simulator failed to answer');
        if (response.headersSent) response.destroy();
        else sendText(response, 'Internal Server Error', 'text/plain', 500);
      })
      .finally(() => answering.delete(answered));
    answering.add(answered);
  }, options.port);
  const elsewhere = await listenLocally(linkRoutes.elsewhere);
  const url = `http://${listening.host}`;
  publicUrls = {
    videos: `${url}/vweixinp.tc.qq.com`,
    pictures: `${url}/mmbiz.qpic.cn`,
    elsewhere: `http://${elsewhere.host}/vweixinp.tc.qq.com`,
    ...options.publicUrls,
  };

  const simulator: Simulator = {
    url,
    host: listening.host,
    elsewhereHost: elsewhere.host,
    ledger,
    customerService,
    components,
    now: () => clock.now(),
    accountOf,
    componentOf: (appId) => known(platforms, (platform) => platform.appId === appId, `component ${appId}`),
    mint: (account, recipe) =>
      mintMediaId({ createdAt: clock.now(), ...recipe, appId: accountOf(account).appId }),
    digestOf: async (account, mediaId, rendition) => digestOf(mediaId, accountOf(account).appId, rendition),
    picUrl: (mediaId) => pictureLink(publicUrls.pictures, mediaId),
    invalidateTokens: (account) => {
      tokens.invalidate(accountOf(account));
      ledger.count('tokensInvalidated');
    },
    misbehave: (account, behaviour, at = 'media') => spoiling.begin(accountOf(account), behaviour, at),
    trouble: (name, trouble) => {
      const { account } = accountOf(name);
      const { limits }: TroubleRow = TROUBLES[trouble.name];
      if (limits) quotas.limit(account, limits, trouble.amount ?? 0);
      troubles.begin(account, trouble);
    },
    troublesOf: (account) => troubles.list(accountOf(account).account),
    heal: (name, only) => {
      const { account } = accountOf(name);
      for (const trouble of troubles.list(account)) {
        const { limits }: TroubleRow = TROUBLES[trouble.name];
        if (limits && (!only || only === trouble.name)) quotas.limit(account, limits, undefined);
      }
      troubles.heal(account, only);
    },
    midnight: (account) => quotas.reset(accountOf(account).account),
    close: async () => {
      closing.abort(new Error('the simulator closes'));
      await Promise.all([listening.close(), elsewhere.close()]);
      await Promise.all(answering);
    },
  };
  return simulator;
}
