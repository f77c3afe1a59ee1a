/** Misbehaviour: video_url, the links it leads to, and redirects. */
import { ERROR_TYPE, sendText } from '../http/responses.ts';
import type { Exchange, Row } from './fault-context.ts';

/** media/get answers a video_url; what its link then does stands in {@link LINK_FAULTS}. */
const linked = (
  says: string,
  amount?: string,
  options: { link?: (exchange: Exchange) => string; change?: (body: string) => string } = {},
): Row => ({
  says,
  ...(amount && { amount }),
  play: (exchange) => {
    const url = options.link?.(exchange) ?? exchange.link();
    const body = JSON.stringify({ video_url: url });
    sendText(exchange.response, options.change?.(body) ?? body, ERROR_TYPE);
    return 'linked';
  },
});

/** Everything a server in a private network would rather keep to itself. */
const PRIVATE_LINK = 'http://169.254.169.254/vweixinp.tc.qq.com/1007_00.f10.mp4?vkey=00';

export const LINK_ROWS = {
  videoUrl: linked('a video_url; its link is missing (404) at first', 'requests of the link that meet 404'),
  videoUrlEscaped: linked('a video_url with escaped slashes', undefined, {
    change: (body) => body.replaceAll('/', '\\/'),
  }),
  videoUrlHtml: linked('a video_url whose link is a page'),
  videoUrlLate: linked('a video_url whose link is missing (404) for a while', 'milliseconds'),
  videoUrlForbidden: linked('a video_url whose link is forbidden (403) at first', 'requests that meet 403'),
  videoUrlShort: linked('a video_url whose vkey ends early; then 403', 'milliseconds', {
    link: (exchange) => exchange.link(exchange.amount),
  }),
  videoUrlCut: linked('a video_url whose link is cut by FIN at first', 'requests that are cut'),
  videoUrlRedirect: linked('a video_url whose link redirects (302) to a host that is not WeChat’s'),
  videoUrlOffList: linked('a video_url on a host that is not WeChat’s', undefined, {
    link: (exchange) => exchange.elsewhere(),
  }),
  videoUrlPrivate: linked('a video_url at the address of a cloud’s metadata service', undefined, {
    link: () => PRIVATE_LINK,
  }),
  redirect: {
    says: 'media/get redirects (302) to a host that is not WeChat’s',
    early: true,
    play: ({ response, elsewhere }: Exchange) => {
      response.writeHead(302, { Location: elsewhere(), 'Content-Length': 0 }).end();
      return 'spoiled' as const;
    },
  },
} satisfies Record<string, Row>;

export type LinkFault = 'missing' | 'forbidden' | 'page' | 'cut' | 'redirect';

/** What a link does instead of giving its video; `tries` from 1, `ageMs` since media/get gave it. */
export const LINK_FAULTS: Readonly<
  Record<string, (at: { tries: number; ageMs: number; amount: number }) => LinkFault | undefined>
> = {
  videoUrl: ({ tries, amount }) => (tries <= amount ? 'missing' : undefined),
  videoUrlHtml: () => 'page',
  videoUrlLate: ({ ageMs, amount }) => (ageMs < amount ? 'missing' : undefined),
  videoUrlForbidden: ({ tries, amount }) => (tries <= amount ? 'forbidden' : undefined),
  videoUrlCut: ({ tries, amount }) => (tries <= amount ? 'cut' : undefined),
  videoUrlRedirect: () => 'redirect',
};
