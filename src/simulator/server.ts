/** A pretend WeChat on a real socket, on 127.0.0.1 alone. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock, Lifetimes } from '../clock.ts';
import type { Log } from '../log.ts';
import { createAccessTokens, type SimulatedAccount } from './access-tokens.ts';
import { sendText } from './answers.ts';
import { type Digest, digestOf } from './contents.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { BEHAVIOUR_NAMES, type Behaviour, type MediaRecipe, mintMediaId } from './media-id.ts';
import { createMediaRoutes } from './media-routes.ts';
import { createTokenRoutes, parseObject, readBody } from './token-routes.ts';

export interface SimulatorOptions {
  /** Default 0: any free port. Media ids outlive a restart; picture and video links only if the port is the same. */
  readonly port?: number;
  readonly clock: Pick<Clock, 'now'>;
  readonly lifetimes: Pick<Lifetimes, 'lifetimeMs'>;
  readonly accounts: readonly SimulatedAccount[];
  readonly log: Log;
  /** Of access tokens; default two hours. On the wire in whole seconds, never scaled. */
  readonly tokenLifetimeMs?: number;
  /** Of video links; default ten minutes. */
  readonly linkLifetimeMs?: number;
}

export interface Simulator {
  /** `http://127.0.0.1:{port}`: what WECHAT_API_BASE_URL wants. */
  readonly url: string;
  /** `127.0.0.1:{port}`: what FETCH_ALLOW_HOSTS wants, for video and picture links. */
  readonly host: string;
  readonly ledger: Ledger;
  now(): Date;
  /** A media id of the account (by identity), born now unless told. */
  mint(
    account: string,
    recipe: Omit<MediaRecipe, 'appId' | 'createdAt'> & Partial<Pick<MediaRecipe, 'createdAt'>>,
  ): string;
  /** What the file of an id must be; undefined where the account never had it. */
  digestOf(account: string, mediaId: string): Promise<Digest | undefined>;
  /** The PicUrl of a picture. */
  picUrl(mediaId: string): string;
  /** Kills every access token of the account issued so far. */
  invalidateTokens(account: string): void;
  /** Lets a whole account misbehave from now on; `times` counts its requests. Undefined ends it. */
  misbehave(account: string, behaviour: Behaviour | undefined): void;
  close(): Promise<void>;
}

const isWithin = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/** A behaviour from outside, or undefined where it is none. */
function parseBehaviour(value: unknown): Behaviour | undefined {
  const { name, times = 0, amount = 0 } = (value ?? {}) as Partial<Record<keyof Behaviour, unknown>>;
  const known = BEHAVIOUR_NAMES.find((candidate) => candidate === name);
  if (!known || !isWithin(times, 0, 255) || !isWithin(amount, -(2 ** 31), 2 ** 31 - 1)) return undefined;
  return { name: known, times, amount };
}

const SOCKET_IDLE_MS = 120_000;

/** Listens; rejects with a sentence where the port is taken. */
export async function openSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { accounts, clock, log } = options;
  const ledger = createLedger();
  const tokens = createAccessTokens({
    accounts,
    clock,
    ...(options.tokenLifetimeMs !== undefined && { lifetimeMs: options.tokenLifetimeMs }),
  });
  const tokenRoutes = createTokenRoutes({ accounts, tokens, ledger });
  let host = '';
  const mediaRoutes = createMediaRoutes({
    accounts,
    clock,
    lifetimes: options.lifetimes,
    linkLifetimeMs: options.linkLifetimeMs ?? 600_000,
    log,
    ledger,
    tokens,
    baseUrl: () => `http://${host}`,
  });

  function accountNamed(name: string): SimulatedAccount {
    const account = accounts.find((candidate) => candidate.account === name);
    if (!account) throw new RangeError(`no simulated account ${name}`);
    return account;
  }

  function invalidateTokens(name: string): void {
    tokens.invalidate(accountNamed(name));
    ledger.count('tokensInvalidated');
  }

  /** Its own routes, which WeChat does not have. */
  async function answerAdmin(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const json = (body: unknown, status = 200) =>
      sendText(response, JSON.stringify(body), 'application/json', status);
    const what = `${request.method} ${url.pathname.slice('/__simulator/'.length)}`;
    if (what === 'GET ledger') return json(ledger.report());
    const body = parseObject((await readBody(request)) || '{}');
    const account = body?.account ?? url.searchParams.get('account');
    if (typeof account !== 'string' || !accounts.some((known) => known.account === account))
      return json({ error: 'name a simulated account: ?account=…' }, 400);
    if (what === 'GET digest') {
      const digest = await digestOf(url.searchParams.get('media_id') ?? '', accountNamed(account).appId);
      return digest ? json(digest) : json({ error: 'not a media id of this account' }, 404);
    }
    if (what === 'POST invalidate-token') {
      invalidateTokens(account);
      return json({ invalidated: account });
    }
    if (what === 'POST misbehave') {
      const behaviour = parseBehaviour(body?.behaviour);
      if (!behaviour && body?.behaviour !== undefined)
        return json(
          { error: 'behaviour: {name, times (0 to 255), amount (32 bits)}', names: BEHAVIOUR_NAMES },
          400,
        );
      mediaRoutes.misbehave(accountNamed(account), behaviour);
      return json({ account, behaviour });
    }
    return json({ error: 'no such route' }, 404);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://simulator.invalid');
    const path = url.pathname;
    if (path === '/cgi-bin/token') return tokenRoutes.classic(url.searchParams, response);
    if (path === '/cgi-bin/stable_token') return tokenRoutes.stable(request, response);
    // An id that is no voice of the JS-SDK comes from /jssdk as it comes without.
    if (path === '/cgi-bin/media/get' || path === '/cgi-bin/media/get/jssdk')
      return mediaRoutes.media(url.searchParams, response);
    if (path.startsWith('/vweixinp.tc.qq.com/')) return mediaRoutes.link(url, response);
    if (path.startsWith('/mmbiz.qpic.cn/')) return mediaRoutes.picture(url, response);
    if (path.startsWith('/__simulator/')) return answerAdmin(url, request, response);
    return sendText(response, 'Not Found', 'text/html', 404);
  }

  const answering = new Set<Promise<void>>();
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    const answered = answer(request, response)
      .catch((error: unknown) => {
        log.error({ err: error, path: request.url?.split('?')[0] }, 'the simulator failed to answer');
        if (response.headersSent) response.destroy();
        else sendText(response, 'Internal Server Error', 'text/plain', 500);
      })
      .finally(() => answering.delete(answered));
    answering.add(answered);
  });
  server.maxConnections = 2048;
  server.setTimeout(SOCKET_IDLE_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`the simulated WeChat cannot listen: port ${options.port} is taken`, { cause: error })
          : error,
      ),
    );
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: `http://${host}`,
    host,
    ledger,
    now: () => clock.now(),
    mint: (account, recipe) =>
      mintMediaId({ createdAt: clock.now(), ...recipe, appId: accountNamed(account).appId }),
    digestOf: async (account, mediaId) => digestOf(mediaId, accountNamed(account).appId),
    picUrl: mediaRoutes.picUrl,
    invalidateTokens,
    misbehave: (account, behaviour) => mediaRoutes.misbehave(accountNamed(account), behaviour),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await Promise.all(answering);
    },
  };
}
