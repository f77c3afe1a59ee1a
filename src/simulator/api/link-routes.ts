/** What stands behind a video_url and behind a PicUrl; and the host that is not WeChat's. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import { LINK_FAULTS } from '../faults/link-faults.ts';
import { createTries } from '../http/attempt-counter.ts';
import type { Ledger } from '../http/request-log.ts';
import { fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import { contentOf } from '../media/contents.ts';
import { type MediaRecipe, readMediaId } from '../media/media-id.ts';
import { leaks, readPictureLink, readVideoLink } from './links.ts';

export interface LinkRoutes {
  /** False: the path is neither a video's nor a picture's. */
  answer(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** The other host: tempting, and counted. */
  elsewhere(request: IncomingMessage, response: ServerResponse): void;
}

export function createLinkRoutes(options: {
  accounts: readonly SimulatedAccount[];
  clock: Pick<Clock, 'now'>;
  ledger: Ledger;
  elsewhereUrl(): string;
}): LinkRoutes {
  const { ledger, clock } = options;
  const nextTry = createTries();

  /** Whose media it is: links come without a token. */
  function recipeOfAny(mediaId: string): MediaRecipe | undefined {
    for (const { appId } of options.accounts) {
      const recipe = readMediaId(mediaId, appId);
      if (recipe) return recipe;
    }
    return undefined;
  }

  const page = (response: ServerResponse, status = 404) =>
    sendText(response, '<html><body>Not Found</body></html>', 'text/html', status);

  async function video(link: NonNullable<ReturnType<typeof readVideoLink>>, response: ServerResponse) {
    ledger.count('linksAsked');
    const recipe = recipeOfAny(link.mediaId);
    if (!recipe) return page(response);
    const nowMs = clock.now().getTime();
    if (link.forged || nowMs >= link.endsAtMs) return page(response, 403);
    const { name, amount = 0 } = recipe.behaviour ?? { name: 'none' };
    const at = { tries: nextTry(link.mediaId), ageMs: nowMs - link.bornAtMs, amount };
    const content = contentOf(recipe);
    const headers = { 'Content-Type': 'video/mp4', 'Content-Length': content.sizeBytes };
    switch (LINK_FAULTS[name]?.(at)) {
      case 'missing':
        return page(response);
      case 'forbidden':
        return page(response, 403);
      case 'page':
        return page(response, 200);
      case 'redirect':
        response
          .writeHead(302, { Location: `${options.elsewhereUrl()}/film.mp4`, 'Content-Length': 0 })
          .end();
        return;
      case 'cut':
        response.writeHead(200, headers);
        await writeBytes(response, content, Math.floor(content.sizeBytes / 2));
        response.socket?.end();
        return;
      default:
        if (!(await sendFile(response, content, headers))) return;
        ledger.count('linksServed');
        ledger.count('bytesServed', content.sizeBytes);
    }
  }

  async function picture(mediaId: string, response: ServerResponse) {
    const recipe = recipeOfAny(mediaId);
    if (recipe?.kind !== 'image') return page(response);
    const content = contentOf(recipe);
    const { 'Content-disposition': _, ...headers } = fileHeaders(mediaId, content);
    if (await sendFile(response, content, headers)) ledger.count('picturesServed');
  }

  return {
    answer: async (url, request, response) => {
      const link = readVideoLink(url);
      const mediaId = readPictureLink(url);
      if (!link && !mediaId) return false;
      if (leaks(request)) ledger.count('leaks');
      if (link) await video(link, response);
      else if (mediaId) await picture(mediaId, response);
      return true;
    },
    elsewhere: (request, response) => {
      ledger.count('elsewhereAsked');
      if (leaks(request)) ledger.count('leaks');
      sendText(response, 'You should not have come here.', 'video/mp4');
    },
  };
}
