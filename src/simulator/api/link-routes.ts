/** The routes behind a video_url and behind a PicUrl, and the host that is not WeChat's. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import { LINK_FAULTS } from '../faults/link-faults.ts';
import { createAttemptCounter } from '../http/attempt-counter.ts';
import type { RequestLog } from '../http/request-log.ts';
import { fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import { contentOf } from '../media/contents.ts';
import { type MediaRecipe, readMediaId } from '../media/media-id.ts';
import { leaksCredentials, parsePictureLink, parseVideoLink, type VideoLink } from './links.ts';

export interface LinkRoutes {
  /** False: the path is neither a video's nor a picture's. */
  handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** Responds as the host that is not WeChat's, and counts the request. */
  handleForeign(request: IncomingMessage, response: ServerResponse): void;
}

export function createLinkRoutes(options: {
  accounts: readonly SimulatedAccount[];
  clock: Pick<Clock, 'now'>;
  requestLog: RequestLog;
  foreignUrl(): string;
}): LinkRoutes {
  const { requestLog, clock } = options;
  const countAttempt = createAttemptCounter();

  /** Tries every account, because links carry no token. */
  function recipeOf(mediaId: string): MediaRecipe | undefined {
    for (const { appId } of options.accounts) {
      const recipe = readMediaId(mediaId, appId);
      if (recipe) return recipe;
    }
    return undefined;
  }

  const sendPage = (response: ServerResponse, status = 404) =>
    sendText(response, '<html><body>Not Found</body></html>', 'text/html', status);

  async function sendVideo(link: VideoLink, response: ServerResponse) {
    requestLog.count('linkRequests');
    const recipe = recipeOf(link.mediaId);
    if (!recipe) return sendPage(response);
    const nowMs = clock.now().getTime();
    if (link.forged || nowMs >= link.endsAtMs) return sendPage(response, 403);
    const { name, amount = 0 } = recipe.fault ?? { name: 'none' };
    const state = { attempt: countAttempt(link.mediaId), ageMs: nowMs - link.issuedAtMs, amount };
    const content = contentOf(recipe);
    const headers = { 'Content-Type': 'video/mp4', 'Content-Length': content.sizeBytes };
    switch (LINK_FAULTS[name]?.(state)) {
      case 'missing':
        return sendPage(response);
      case 'forbidden':
        return sendPage(response, 403);
      case 'page':
        return sendPage(response, 200);
      case 'redirect':
        response.writeHead(302, { Location: `${options.foreignUrl()}/film.mp4`, 'Content-Length': 0 }).end();
        return;
      case 'cut':
        response.writeHead(200, headers);
        await writeBytes(response, content, Math.floor(content.sizeBytes / 2));
        response.socket?.end();
        return;
      default:
        if (!(await sendFile(response, content, headers))) return;
        requestLog.count('linksServed');
        requestLog.count('bytesServed', content.sizeBytes);
    }
  }

  async function sendPicture(mediaId: string, response: ServerResponse) {
    const recipe = recipeOf(mediaId);
    if (recipe?.kind !== 'image') return sendPage(response);
    const content = contentOf(recipe);
    const { 'Content-disposition': _, ...headers } = fileHeaders(mediaId, content);
    if (await sendFile(response, content, headers)) requestLog.count('picturesServed');
  }

  return {
    handle: async (url, request, response) => {
      const link = parseVideoLink(url);
      const mediaId = parsePictureLink(url);
      if (!link && !mediaId) return false;
      if (leaksCredentials(request)) requestLog.count('leaks');
      if (link) await sendVideo(link, response);
      else if (mediaId) await sendPicture(mediaId, response);
      return true;
    },
    handleForeign: (request, response) => {
      requestLog.count('foreignHostRequests');
      if (leaksCredentials(request)) requestLog.count('leaks');
      sendText(response, 'This host is not WeChat’s.', 'video/mp4');
    },
  };
}
