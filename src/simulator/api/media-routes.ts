/** GET /cgi-bin/media/get, and the choice of the fault for each response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { AccessTokens, SimulatedAccount } from '../accounts/access-tokens.ts';
import type { Quotas } from '../accounts/quotas.ts';
import type { AccountFaults } from '../faults/account-faults.ts';
import type { AccountWideFaults } from '../faults/account-wide-faults.ts';
import { INVALID_MEDIA, refusalOf } from '../faults/errcode-faults.ts';
import { type FaultContext, sendErrcode } from '../faults/fault-context.ts';
import { activeFault, RESPONSE_FAULTS } from '../faults/response-faults.ts';
import { createAttemptCounter } from '../http/attempt-counter.ts';
import type { Outcome, RequestLog } from '../http/request-log.ts';
import { sendText } from '../http/responses.ts';
import { type Content, contentOf, type Rendition } from '../media/contents.ts';
import { type MediaRecipe, type ResponseFaultName, readMediaId } from '../media/media-id.ts';
import { parseRange, RANGE_BYTES_MAX } from '../media/ranges.ts';
import { type PublicUrls, videoLink } from './links.ts';

export interface MediaRoutes {
  /** GET /cgi-bin/media/get, and /jssdk */
  media(
    query: URLSearchParams,
    request: Pick<IncomingMessage, 'headers'>,
    response: ServerResponse,
    rendition: Rendition,
  ): Promise<void>;
}

export interface MediaRoutesOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly lifetimes: Pick<Lifetimes, 'lifetimeMs'>;
  readonly linkLifetimeMs: number;
  readonly log: Pick<Log, 'debug'>;
  readonly requestLog: RequestLog;
  readonly tokens: Pick<AccessTokens, 'check'>;
  readonly quotas: Pick<Quotas, 'use'>;
  readonly accountFaults: Pick<AccountFaults, 'beginRequest'>;
  readonly accountWideFaults: Pick<AccountWideFaults, 'peek' | 'use'>;
  /** Known only once the sockets listen. */
  publicUrls(): PublicUrls;
}

interface ChosenFault {
  readonly name: ResponseFaultName;
  readonly amount: number;
  readonly attempt: number;
}

interface MediaRequest {
  readonly account: SimulatedAccount;
  readonly mediaId: string;
  readonly rendition: Rendition;
  readonly rangeHeader: string | undefined;
  readonly response: ServerResponse;
}

/** Media ids longer than this are cut in counters and logs. */
const MEDIA_ID_LOGGED_MAX = 128;

export function createMediaRoutes(options: MediaRoutesOptions): MediaRoutes {
  const { clock, requestLog, tokens, publicUrls } = options;
  const countAttempt = createAttemptCounter();
  let running = 0;

  const isExpired = (recipe: MediaRecipe) =>
    clock.now().getTime() >= recipe.createdAt.getTime() + options.lifetimes.lifetimeMs;

  /** An account-wide fault comes before the fault of the media id. Undefined: the id is unknown or expired. */
  function chooseFault(
    account: SimulatedAccount,
    recipe: MediaRecipe | undefined,
    attempt: number,
  ): ChosenFault | undefined {
    const accountWide = options.accountWideFaults.peek(account, 'media');
    const needsNoFile = accountWide && RESPONSE_FAULTS[accountWide.name].needsNoFile;
    if (!needsNoFile && (!recipe || isExpired(recipe))) return undefined;
    if (accountWide) return { ...accountWide, ...options.accountWideFaults.use(account, 'media'), attempt };
    return { name: activeFault(recipe?.fault, attempt), amount: recipe?.fault?.amount ?? 0, attempt };
  }

  /** WeCom sends at most 20 MiB in a response: a larger file or range gets 830002. */
  function rangeOf(content: Content, header: string | undefined) {
    const range = parseRange(header, content.sizeBytes);
    if (range === 'beyond') return { status: 416 } as const;
    const wantedBytes = range ? range.end - range.start + 1 : content.sizeBytes;
    return wantedBytes > RANGE_BYTES_MAX ? { refusal: refusalOf(830002) } : { range };
  }

  async function respond(
    request: MediaRequest,
    recipe: MediaRecipe | undefined,
    chosen: ChosenFault,
  ): Promise<Outcome> {
    const { account, mediaId, response } = request;
    const { linkLifetimeMs } = options;
    const disconnected = new AbortController();
    response.once('close', () => disconnected.abort());
    let content: Content | undefined;
    const linkAt = (base: string, lifetimeMs: number) =>
      videoLink(base, mediaId, { issuedAt: clock.now(), lifetimeMs });
    const context: FaultContext = {
      mediaId,
      get content() {
        if (!recipe) throw new Error('a fault that needs the file must not be marked needsNoFile');
        content ??= contentOf(recipe, request.rendition);
        return content;
      },
      response,
      amount: chosen.amount,
      attempt: chosen.attempt,
      range: undefined,
      requestLog,
      videoLink: (lifetimeMs = linkLifetimeMs) => linkAt(publicUrls().videos, lifetimeMs),
      foreignLink: () => linkAt(publicUrls().foreign, linkLifetimeMs),
      signal: disconnected.signal,
    };
    const spec = RESPONSE_FAULTS[chosen.name];
    if (account.product !== 'wecom' || spec.needsNoFile || !recipe) return spec.respond(context);
    const { refusal, status, range } = rangeOf(context.content, request.rangeHeader);
    if (refusal) return sendErrcode(context, refusal);
    if (status) {
      sendText(response, '', 'text/plain', status);
      return 'faulty';
    }
    // A spread would call the getter of `content` in any case; here the content exists already.
    return spec.respond({ ...context, content: context.content, range });
  }

  async function handle(request: MediaRequest): Promise<void> {
    const { account, mediaId, response } = request;
    const loggedId = mediaId.slice(0, MEDIA_ID_LOGGED_MAX);
    const { refusal, finish } = options.accountFaults.beginRequest(account, 'media');
    requestLog.downloadsRunning(++running);
    try {
      const refused = options.quotas.use(account.account, '/cgi-bin/media/get') ?? refusal;
      const recipe = readMediaId(mediaId, account.appId);
      const chosen = refused ? undefined : chooseFault(account, recipe, countAttempt(loggedId));
      const outcome = chosen
        ? await respond(request, recipe, chosen)
        : sendErrcode({ response, requestLog }, refused ?? INVALID_MEDIA);
      requestLog.mediaRequestEnded(account.account, loggedId, outcome);
      options.log.debug(
        { mediaId: loggedId, fault: chosen?.name, outcome },
        'simulator: media request ended',
      );
    } finally {
      running--;
      finish();
    }
  }

  return {
    media: async (query, request, response, rendition) => {
      const account = tokens.check(query.get('access_token'));
      const mediaId = query.get('media_id');
      if ('errcode' in account) sendErrcode({ response, requestLog }, account);
      else if (!mediaId)
        sendErrcode({ response, requestLog }, { errcode: 41006, errmsg: 'media_id missing' });
      else await handle({ account, mediaId, rendition, rangeHeader: request.headers.range, response });
    },
  };
}
