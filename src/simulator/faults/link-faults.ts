/** Response faults: video_url, the links in it, and redirects. */
import { ERROR_TYPE, sendText } from '../http/responses.ts';
import type { FaultContext, FaultSpec } from './fault-context.ts';

/** media/get responds with a video_url; {@link LINK_FAULTS} decides how its link then responds. */
const videoUrl = (
  description: string,
  amount?: string,
  options: { link?: (context: FaultContext) => string; change?: (body: string) => string } = {},
): FaultSpec => ({
  description,
  ...(amount && { amount }),
  respond: (context) => {
    const url = options.link?.(context) ?? context.videoLink();
    const body = JSON.stringify({ video_url: url });
    sendText(context.response, options.change?.(body) ?? body, ERROR_TYPE);
    return 'linked';
  },
});

/** The metadata service of a cloud, which an SSRF guard must never reach. */
const PRIVATE_LINK = 'http://169.254.169.254/vweixinp.tc.qq.com/1007_00.f10.mp4?vkey=00';

export const VIDEO_URL_FAULTS = {
  videoUrl: videoUrl('a video_url; its link responds 404 at first', 'requests of the link that get 404'),
  videoUrlEscaped: videoUrl('a video_url with escaped slashes', undefined, {
    change: (body) => body.replaceAll('/', '\\/'),
  }),
  videoUrlHtml: videoUrl('a video_url whose link is an HTML page'),
  videoUrlLate: videoUrl('a video_url whose link responds 404 for some time', 'milliseconds'),
  videoUrlForbidden: videoUrl('a video_url whose link responds 403 at first', 'requests that get 403'),
  videoUrlShort: videoUrl('a video_url whose vkey ends early; then 403', 'milliseconds', {
    link: (context) => context.videoLink(context.amount),
  }),
  videoUrlCut: videoUrl('a video_url whose link is cut by FIN at first', 'requests that are cut'),
  videoUrlRedirect: videoUrl('a video_url whose link redirects (302) to a host that is not WeChat’s'),
  videoUrlForeignHost: videoUrl('a video_url at a host that is not WeChat’s', undefined, {
    link: (context) => context.foreignLink(),
  }),
  videoUrlPrivate: videoUrl('a video_url at the address of a cloud’s metadata service', undefined, {
    link: () => PRIVATE_LINK,
  }),
  redirect: {
    description: 'media/get redirects (302) to a host that is not WeChat’s',
    needsNoFile: true,
    respond: ({ response, foreignLink }: FaultContext) => {
      response.writeHead(302, { Location: foreignLink(), 'Content-Length': 0 }).end();
      return 'faulty' as const;
    },
  },
} satisfies Record<string, FaultSpec>;

export type LinkFault = 'missing' | 'forbidden' | 'page' | 'cut' | 'redirect';

interface LinkRequest {
  /** From 1. */
  readonly attempt: number;
  /** Since media/get issued the link. */
  readonly ageMs: number;
  readonly amount: number;
}

/** The fault of a link, by the response fault of its media id; undefined: it gives the video. */
export const LINK_FAULTS: Readonly<Record<string, (request: LinkRequest) => LinkFault | undefined>> = {
  videoUrl: ({ attempt, amount }) => (attempt <= amount ? 'missing' : undefined),
  videoUrlHtml: () => 'page',
  videoUrlLate: ({ ageMs, amount }) => (ageMs < amount ? 'missing' : undefined),
  videoUrlForbidden: ({ attempt, amount }) => (attempt <= amount ? 'forbidden' : undefined),
  videoUrlCut: ({ attempt, amount }) => (attempt <= amount ? 'cut' : undefined),
  videoUrlRedirect: () => 'redirect',
};
