/** The routes that give files: media/get, the link behind a video_url, and the picture behind a PicUrl. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Clock, Lifetimes } from '../clock.ts';
import type { Log } from '../log.ts';
import type { AccessTokens, SimulatedAccount } from './access-tokens.ts';
import { fileHeaders, sendFile, sendText } from './answers.ts';
import { type Content, contentOf } from './contents.ts';
import type { Ledger } from './ledger.ts';
import { type Behaviour, type BehaviourName, type MediaRecipe, readMediaId } from './media-id.ts';
import { BEHAVIOURS, behaviourNow, INVALID_MEDIA, refuse } from './misbehaviour.ts';

export interface MediaRoutes {
  /** GET /cgi-bin/media/get */
  media(query: URLSearchParams, response: ServerResponse): Promise<void>;
  /** GET /vweixinp.tc.qq.com/…, without a token */
  link(url: URL, response: ServerResponse): Promise<void>;
  /** GET /mmbiz.qpic.cn/…, without a token */
  picture(url: URL, response: ServerResponse): Promise<void>;
  picUrl(mediaId: string): string;
  /** From now on the whole account misbehaves; undefined ends it. */
  misbehave(account: SimulatedAccount, behaviour: Behaviour | undefined): void;
}

export interface MediaRoutesOptions {
  readonly accounts: readonly SimulatedAccount[];
  readonly clock: Pick<Clock, 'now'>;
  readonly lifetimes: Pick<Lifetimes, 'lifetimeMs'>;
  readonly linkLifetimeMs: number;
  readonly log: Pick<Log, 'debug'>;
  readonly ledger: Ledger;
  readonly tokens: Pick<AccessTokens, 'check'>;
  /** Known only once the socket listens. */
  baseUrl(): string;
}

const LINK_PATH = /^\/vweixinp\.tc\.qq\.com\/1007_([0-9a-f]{96})\.f10\.mp4$/;
const PICTURE_PATH = /^\/mmbiz\.qpic\.cn\/mmbiz_(?:jpg|png)\/([A-Za-z0-9_-]{64})\/0$/;
const COUNTED_MEDIA = 50_000;

/** Counts from 1, and forgets the oldest beyond a bound. */
function createTries(): (key: string) => number {
  const tries = new Map<string, number>();
  return (key) => {
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    if (tries.size > COUNTED_MEDIA) tries.delete(tries.keys().next().value as string);
    return count;
  };
}

/** A link's key: when it ends, and a digest over that and the path. */
function vkeyOf(hexadecimal: string, endsAtMs: number): string {
  const ends = endsAtMs.toString(16).padStart(12, '0');
  return ends + createHmac('sha256', 'simulated link').update(`${hexadecimal} ${ends}`).digest('hex');
}

export function createMediaRoutes(options: MediaRoutesOptions): MediaRoutes {
  const { clock, ledger, tokens } = options;
  const nextTry = createTries();
  const nextLinkTry = createTries();
  const misbehaving = new Map<string, { behaviour: Behaviour; played: number }>();

  const isExpired = (recipe: MediaRecipe) =>
    clock.now().getTime() >= recipe.createdAt.getTime() + options.lifetimes.lifetimeMs;

  function linkOf(mediaId: string): string {
    const hexadecimal = Buffer.from(mediaId, 'base64url').toString('hex');
    const vkey = vkeyOf(hexadecimal, clock.now().getTime() + options.linkLifetimeMs);
    return `${options.baseUrl()}/vweixinp.tc.qq.com/1007_${hexadecimal}.f10.mp4?vkey=${vkey}&sha=0&save=1`;
  }

  /** Whose media it is: links and pictures come without a token. */
  function recipeOfAny(mediaId: string): MediaRecipe | undefined {
    for (const { appId } of options.accounts) {
      const recipe = readMediaId(mediaId, appId);
      if (recipe) return recipe;
    }
    return undefined;
  }

  const notFound = (response: ServerResponse, status = 404) =>
    sendText(response, '<html><body>Not Found</body></html>', 'text/html', status);

  /** What the account as a whole plays comes before what is baked into the id. */
  function choose(
    account: SimulatedAccount,
    recipe: MediaRecipe | undefined,
    tries: number,
  ): { name: BehaviourName; amount: number } | undefined {
    const whole = misbehaving.get(account.appId);
    const wholeName = behaviourNow(whole?.behaviour, (whole?.played ?? 0) + 1);
    if (!BEHAVIOURS[wholeName].early && (!recipe || isExpired(recipe))) return undefined;
    if (whole && wholeName !== 'none') {
      whole.played++;
      return { name: wholeName, amount: whole.behaviour.amount ?? 0 };
    }
    return { name: behaviourNow(recipe?.behaviour, tries), amount: recipe?.behaviour?.amount ?? 0 };
  }

  return {
    media: async (query, response) => {
      const account = tokens.check(query.get('access_token'));
      if ('errcode' in account) {
        refuse({ response, ledger }, account);
        return;
      }
      const mediaId = query.get('media_id');
      if (!mediaId) {
        refuse({ response, ledger }, { errcode: 41006, errmsg: 'media_id missing' });
        return;
      }
      const counted = mediaId.slice(0, 128);
      const recipe = readMediaId(mediaId, account.appId);
      const chosen = choose(account, recipe, nextTry(counted));
      if (!chosen) {
        ledger.ended(account.account, counted, refuse({ response, ledger }, INVALID_MEDIA));
        return;
      }
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      let content: Content | undefined;
      const outcome = await BEHAVIOURS[chosen.name].play({
        mediaId,
        get content() {
          if (!recipe) throw new Error('a row that looks at the file must not be early');
          content ??= contentOf(recipe);
          return content;
        },
        response,
        amount: chosen.amount,
        ledger,
        link: () => linkOf(mediaId),
        signal: gone.signal,
      });
      ledger.ended(account.account, counted, outcome);
      options.log.debug({ mediaId: counted, behaviour: chosen.name, outcome }, 'simulated media answered');
    },
    link: async (url, response) => {
      ledger.count('linksAsked');
      const hexadecimal = LINK_PATH.exec(url.pathname)?.[1];
      if (!hexadecimal) return notFound(response);
      const mediaId = Buffer.from(hexadecimal, 'hex').toString('base64url');
      const recipe = recipeOfAny(mediaId);
      if (!recipe) return notFound(response);
      const vkey = url.searchParams.get('vkey') ?? '';
      const endsAtMs = Number.parseInt(vkey.slice(0, 12), 16);
      const expected = Buffer.from(vkeyOf(hexadecimal, endsAtMs || 0));
      const given = Buffer.from(vkey);
      if (given.length !== expected.length || !timingSafeEqual(given, expected))
        return notFound(response, 403);
      if (clock.now().getTime() >= endsAtMs) return notFound(response, 403);
      const { name, amount = 0 } = recipe.behaviour ?? { name: 'none' };
      if (name === 'videoUrlHtml') return notFound(response, 200);
      if (name === 'videoUrl' && nextLinkTry(mediaId) <= amount) return notFound(response);
      const content = contentOf(recipe);
      const headers = { 'Content-Type': 'video/mp4', 'Content-Length': content.sizeBytes };
      if (!(await sendFile(response, content, headers))) return;
      ledger.count('linksServed');
      ledger.count('bytesServed', content.sizeBytes);
    },
    picture: async (url, response) => {
      const mediaId = PICTURE_PATH.exec(url.pathname)?.[1];
      const recipe = mediaId === undefined ? undefined : recipeOfAny(mediaId);
      if (!mediaId || recipe?.kind !== 'image') return notFound(response);
      const content = contentOf(recipe);
      const { 'Content-disposition': _, ...headers } = fileHeaders(mediaId, content);
      if (await sendFile(response, content, headers)) ledger.count('picturesServed');
    },
    picUrl: (mediaId) => `${options.baseUrl()}/mmbiz.qpic.cn/mmbiz_jpg/${mediaId}/0`,
    misbehave: (account, behaviour) => {
      if (behaviour) misbehaving.set(account.appId, { behaviour, played: 0 });
      else misbehaving.delete(account.appId);
    },
  };
}
