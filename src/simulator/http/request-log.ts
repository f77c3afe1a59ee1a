/** Counts what the simulator sent, received and served, so that a test can compare it with what was archived. */

/**
 * How a request for a file ended: `refused` with an errcode, `linked` by a video_url, `faulty` with anything that is
 * neither that nor the whole file.
 */
export type Outcome = 'served' | 'refused' | 'linked' | 'faulty';

export interface MediaEntry {
  account: string;
  /** Callbacks that named the media id, repeats included. */
  callbacks: number;
  requests: number;
  served: number;
  refused: number;
  linked: number;
  faulty: number;
}

const TOTALS = {
  callbacksSent: 0,
  callbacksAccepted: 0,
  callbacksLost: 0,
  callbackAttempts: 0,
  tokenRequests: 0,
  tokensRefused: 0,
  tokensInvalidated: 0,
  mediaRequests: 0,
  mediaServed: 0,
  mediaRefused: 0,
  mediaLinked: 0,
  mediaFaulty: 0,
  linkRequests: 0,
  linksServed: 0,
  picturesServed: 0,
  /** Requests at the host that is not WeChat's: must be 0. */
  foreignHostRequests: 0,
  /** Requests at links, pictures and the foreign host with a token, cookie, Referer or Authorization: must be 0. */
  leaks: 0,
  quotaRequests: 0,
  quotaClears: 0,
  syncRequests: 0,
  externalTokenRefreshes: 0,
  maxConcurrentDownloads: 0,
  bytesServed: 0,
};
type Total = keyof typeof TOTALS;

export interface RequestLogReport {
  readonly totals: Readonly<typeof TOTALS>;
  readonly errcodes: Readonly<Record<string, number>>;
  readonly media: Readonly<Record<string, MediaEntry>>;
  /** Media ids dropped from `media`, the oldest first; the totals still count them. */
  readonly dropped: number;
}

export interface RequestLog {
  count(total: Total, by?: number): void;
  /** Records the number of downloads that are running now. */
  downloadsRunning(downloads: number): void;
  /** Records an errcode that any endpoint sent. */
  errcode(errcode: number): void;
  /** Records a callback that named a media id. */
  callbackSent(account: string, mediaId: string): void;
  /** Records how a request for a file ended. */
  mediaRequestEnded(account: string, mediaId: string, outcome: Outcome): void;
  report(): RequestLogReport;
}

const MEDIA_MAX = 50_000;
const TOTAL_OF = {
  served: 'mediaServed',
  refused: 'mediaRefused',
  linked: 'mediaLinked',
  faulty: 'mediaFaulty',
} as const satisfies Record<Outcome, Total>;

export function createRequestLog(): RequestLog {
  const totals = { ...TOTALS };
  const errcodes = new Map<number, number>();
  const media = new Map<string, MediaEntry>();
  let dropped = 0;

  function entryOf(account: string, mediaId: string): MediaEntry {
    let entry = media.get(mediaId);
    if (!entry) {
      entry = { account, callbacks: 0, requests: 0, served: 0, refused: 0, linked: 0, faulty: 0 };
      media.set(mediaId, entry);
      if (media.size > MEDIA_MAX) {
        media.delete(media.keys().next().value as string);
        dropped++;
      }
    }
    return entry;
  }

  return {
    count: (total, by = 1) => {
      totals[total] += by;
    },
    downloadsRunning: (downloads) => {
      totals.maxConcurrentDownloads = Math.max(totals.maxConcurrentDownloads, downloads);
    },
    errcode: (errcode) => {
      errcodes.set(errcode, (errcodes.get(errcode) ?? 0) + 1);
    },
    callbackSent: (account, mediaId) => {
      entryOf(account, mediaId).callbacks++;
    },
    mediaRequestEnded: (account, mediaId, outcome) => {
      const entry = entryOf(account, mediaId);
      entry.requests++;
      entry[outcome]++;
      totals.mediaRequests++;
      totals[TOTAL_OF[outcome]]++;
    },
    report: () => ({
      totals: { ...totals },
      errcodes: Object.fromEntries(errcodes),
      media: Object.fromEntries([...media].map(([mediaId, entry]) => [mediaId, { ...entry }])),
      dropped,
    }),
  };
}
