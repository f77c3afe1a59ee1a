/** What the simulator sent, was asked for and served, so that a judge can compare it with what was archived. */

/** How one request for a media ended. `spoiled`: something else than the whole file or an errcode. */
export type Outcome = 'served' | 'refused' | 'linked' | 'spoiled';

export interface MediaEntry {
  account: string;
  /** Callbacks that named it, repeats included. */
  sent: number;
  asked: number;
  served: number;
  refused: number;
  linked: number;
  spoiled: number;
}

const TOTALS = {
  callbacksSent: 0,
  callbacksAnswered: 0,
  callbacksLost: 0,
  callbackAttempts: 0,
  tokensAsked: 0,
  tokensRefused: 0,
  tokensInvalidated: 0,
  mediaAsked: 0,
  mediaServed: 0,
  mediaRefused: 0,
  mediaLinked: 0,
  mediaSpoiled: 0,
  linksAsked: 0,
  linksServed: 0,
  picturesServed: 0,
  /** Requests at the host that is not WeChat's: there must be none. */
  elsewhereAsked: 0,
  /** Requests at links, pictures and elsewhere with a token, cookie, Referer or Authorization: there must be none. */
  leaks: 0,
  quotaAsked: 0,
  quotaCleared: 0,
  syncsAsked: 0,
  refreshesElsewhere: 0,
  /** The most downloads that were under way at once. */
  mediaAtOnceMost: 0,
  bytesServed: 0,
};
type Total = keyof typeof TOTALS;

export interface LedgerReport {
  readonly totals: Readonly<typeof TOTALS>;
  readonly errcodes: Readonly<Record<string, number>>;
  readonly media: Readonly<Record<string, MediaEntry>>;
  /** Media that fell out of the ledger, the oldest first; the totals still count them. */
  readonly forgotten: number;
}

export interface Ledger {
  count(total: Total, by?: number): void;
  /** So many downloads are under way now. */
  atOnce(downloads: number): void;
  /** An errcode was answered, wherever. */
  errcode(errcode: number): void;
  sent(account: string, mediaId: string): void;
  /** A request for a media ended. */
  ended(account: string, mediaId: string, outcome: Outcome): void;
  report(): LedgerReport;
}

const MEDIA_KEPT = 50_000;
const TOTAL_OF = {
  served: 'mediaServed',
  refused: 'mediaRefused',
  linked: 'mediaLinked',
  spoiled: 'mediaSpoiled',
} as const satisfies Record<Outcome, Total>;

export function createLedger(): Ledger {
  const totals = { ...TOTALS };
  const errcodes = new Map<number, number>();
  const media = new Map<string, MediaEntry>();
  let forgotten = 0;

  function entryOf(account: string, mediaId: string): MediaEntry {
    let entry = media.get(mediaId);
    if (!entry) {
      entry = { account, sent: 0, asked: 0, served: 0, refused: 0, linked: 0, spoiled: 0 };
      media.set(mediaId, entry);
      if (media.size > MEDIA_KEPT) {
        media.delete(media.keys().next().value as string);
        forgotten++;
      }
    }
    return entry;
  }

  return {
    count: (total, by = 1) => {
      totals[total] += by;
    },
    atOnce: (downloads) => {
      totals.mediaAtOnceMost = Math.max(totals.mediaAtOnceMost, downloads);
    },
    errcode: (errcode) => {
      errcodes.set(errcode, (errcodes.get(errcode) ?? 0) + 1);
    },
    sent: (account, mediaId) => {
      entryOf(account, mediaId).sent++;
    },
    ended: (account, mediaId, outcome) => {
      const entry = entryOf(account, mediaId);
      entry.asked++;
      entry[outcome]++;
      totals.mediaAsked++;
      totals[TOTAL_OF[outcome]]++;
    },
    report: () => ({
      totals: { ...totals },
      errcodes: Object.fromEntries(errcodes),
      media: Object.fromEntries([...media].map(([mediaId, entry]) => [mediaId, { ...entry }])),
      forgotten,
    }),
  };
}
