/** media/get, and which behaviour it plays. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { AccessTokens, SimulatedAccount } from '../accounts/access-tokens.ts';
import type { Quotas } from '../accounts/quotas.ts';
import type { Troubles } from '../faults/account-faults.ts';
import type { Spoiling } from '../faults/account-wide-faults.ts';
import { INVALID_MEDIA, refusalOf } from '../faults/errcode-faults.ts';
import { type Exchange, refuse } from '../faults/fault-context.ts';
import { BEHAVIOURS, behaviourNow } from '../faults/response-faults.ts';
import { createTries } from '../http/attempt-counter.ts';
import type { Ledger } from '../http/request-log.ts';
import { sendText } from '../http/responses.ts';
import { type Content, contentOf, type Rendition } from '../media/contents.ts';
import { type BehaviourName, type MediaRecipe, readMediaId } from '../media/media-id.ts';
import { PIECE_BYTES_MAX, parseRange } from '../media/ranges.ts';
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
  readonly ledger: Ledger;
  readonly tokens: Pick<AccessTokens, 'check'>;
  readonly quotas: Pick<Quotas, 'use'>;
  readonly troubles: Pick<Troubles, 'enter'>;
  readonly spoiling: Pick<Spoiling, 'peek' | 'take'>;
  /** Known only once the sockets listen. */
  publicUrls(): PublicUrls;
}

interface Chosen {
  readonly name: BehaviourName;
  readonly amount: number;
  readonly tries: number;
}

export function createMediaRoutes(options: MediaRoutesOptions): MediaRoutes {
  const { clock, ledger, tokens, publicUrls } = options;
  const nextTry = createTries();
  let underWay = 0;

  const isExpired = (recipe: MediaRecipe) =>
    clock.now().getTime() >= recipe.createdAt.getTime() + options.lifetimes.lifetimeMs;

  /** What the account as a whole plays comes before what is baked into the id. */
  function choose(
    account: SimulatedAccount,
    recipe: MediaRecipe | undefined,
    tries: number,
  ): Chosen | undefined {
    const whole = options.spoiling.peek(account, 'media');
    if (!(whole && BEHAVIOURS[whole.name].early) && (!recipe || isExpired(recipe))) return undefined;
    if (whole) return { ...whole, ...options.spoiling.take(account, 'media'), tries };
    return {
      name: behaviourNow(recipe?.behaviour, tries),
      amount: recipe?.behaviour?.amount ?? 0,
      tries,
    };
  }

  /** What WeCom makes of `Range`: it wants one for large files, and gives no more than a piece. */
  function pieceOf(content: Content, header: string | undefined) {
    const range = parseRange(header, content.sizeBytes);
    if (range === 'beyond') return { status: 416 } as const;
    const wantedBytes = range ? range.end - range.start + 1 : content.sizeBytes;
    return wantedBytes > PIECE_BYTES_MAX ? { refusal: refusalOf(830002) } : { range };
  }

  /** Answers; the outcome is written down. */
  async function play(
    account: SimulatedAccount,
    media: { id: string; recipe: MediaRecipe | undefined; chosen: Chosen },
    request: Pick<IncomingMessage, 'headers'>,
    response: ServerResponse,
    rendition: Rendition,
  ) {
    const { id, recipe, chosen } = media;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let content: Content | undefined;
    const exchange: Exchange = {
      mediaId: id,
      get content() {
        if (!recipe) throw new Error('a row that looks at the file must not be early');
        content ??= contentOf(recipe, rendition);
        return content;
      },
      response,
      amount: chosen.amount,
      tries: chosen.tries,
      range: undefined,
      ledger,
      link: (lifeMs = options.linkLifetimeMs) =>
        videoLink(publicUrls().videos, id, { bornAt: clock.now(), lifeMs }),
      elsewhere: () =>
        videoLink(publicUrls().elsewhere, id, { bornAt: clock.now(), lifeMs: options.linkLifetimeMs }),
      signal: gone.signal,
    };
    const row = BEHAVIOURS[chosen.name];
    if (account.product !== 'wecom' || row.early || !recipe) return row.play(exchange);
    const piece = pieceOf(exchange.content, request.headers.range);
    if (piece.refusal) return refuse(exchange, piece.refusal);
    if (piece.status) {
      sendText(response, '', 'text/plain', piece.status);
      return 'spoiled';
    }
    // A getter would be lost in a spread of the exchange: the content is known by now.
    return row.play({ ...exchange, content: exchange.content, range: piece.range });
  }

  async function answer(
    account: SimulatedAccount,
    mediaId: string,
    request: Pick<IncomingMessage, 'headers'>,
    response: ServerResponse,
    rendition: Rendition,
  ): Promise<void> {
    const counted = mediaId.slice(0, 128);
    const { refusal, leave } = options.troubles.enter(account, 'media');
    ledger.atOnce(++underWay);
    try {
      const refused = options.quotas.use(account.account, '/cgi-bin/media/get') ?? refusal;
      const recipe = readMediaId(mediaId, account.appId);
      const chosen = refused ? undefined : choose(account, recipe, nextTry(counted));
      const outcome = chosen
        ? await play(account, { id: mediaId, recipe, chosen }, request, response, rendition)
        : refuse({ response, ledger }, refused ?? INVALID_MEDIA);
      ledger.ended(account.account, counted, outcome);
      options.log.debug({ mediaId: counted, behaviour: chosen?.name, outcome }, 'simulated media answered');
    } finally {
      underWay--;
      leave();
    }
  }

  return {
    media: async (query, request, response, rendition) => {
      const account = tokens.check(query.get('access_token'));
      const mediaId = query.get('media_id');
      if ('errcode' in account) refuse({ response, ledger }, account);
      else if (!mediaId) refuse({ response, ledger }, { errcode: 41006, errmsg: 'media_id missing' });
      else await answer(account, mediaId, request, response, rendition);
    },
  };
}
