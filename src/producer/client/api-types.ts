/** The types of the API, written by docs/generate/main.ts from the schemas of the server. Times are RFC 3339, UTC. */

export type Kind = 'image' | 'voice' | 'video' | 'shortvideo' | 'thumb' | 'file';
export type Status = 'pending' | 'archived' | 'dead' | 'expired' | 'erased';
export type WaitingReason = 'queued' | 'running' | 'retry' | 'accountHeld' | 'storeHeld';
export type Source = 'media_get' | 'jssdk' | 'video_url' | 'pic_url';
export type EventType =
  | 'media.archived'
  | 'media.dead'
  | 'media.expired'
  | 'media.at_risk'
  | 'media.redriven'
  | 'media.erased'
  | 'account.held'
  | 'account.released'
  | 'store.held'
  | 'store.released';

/** What is known of a media item before it is archived. */
export interface Reference {
  /** appId (WeCom: corpId-agentId), or the name of a configured account. */
  readonly account: string;
  /** The media id from the message of WeChat. */
  readonly mediaId: string;
  readonly kind: Kind;
  /** Voices only. */
  readonly variant?: '16k' | 'jssdk' | undefined;
  /** Id of the media item to which this one belongs (thumbs, variants). */
  readonly parentId?: string | undefined;
  readonly openId?: string | undefined;
  /** 64 bits: a string. */
  readonly msgId?: string | undefined;
  /** The message's time; default: now. */
  readonly sentAt?: string | Date | undefined;
  readonly picUrl?: string | undefined;
  /** What WeChat recognised in a voice, or the title of a forwarded item. */
  readonly text?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The trace to which the attempts of this media item belong (W3C Trace Context). */
  readonly traceparent?: string | undefined;
}

/** Which media items a list contains, and how. */
export interface MediaFilter {
  /** An account by its id or its name; like the other lists, repeat it for several. */
  readonly account?: string | readonly string[] | undefined;
  readonly id?: string | readonly string[] | undefined;
  /** The media id of WeChat. */
  readonly mediaId?: string | readonly string[] | undefined;
  /** The id of the message. */
  readonly msgId?: string | readonly string[] | undefined;
  /** The user who sent the message. */
  readonly openId?: string | undefined;
  readonly kind?: Kind | readonly Kind[] | undefined;
  readonly status?: Status | readonly Status[] | undefined;
  readonly sha256?: string | undefined;
  readonly errcode?: number | readonly number[] | undefined;
  /** Sent at this time or later: a date, or a duration such as 24h. */
  readonly sentFrom?: string | Date | undefined;
  /** Sent before this time. */
  readonly sentTo?: string | Date | undefined;
  /** Pending items whose deadline is at this time or later. */
  readonly expiresFrom?: string | Date | undefined;
  /** Pending items whose deadline is before this time. */
  readonly expiresBefore?: string | Date | undefined;
  /** Covers and variants of these items. */
  readonly parentId?: string | readonly string[] | undefined;
  /** exclude: without covers of videos. */
  readonly covers?: 'include' | 'exclude' | undefined;
  /** A search: an id of any kind, the beginning of a sha256 (6 hex digits or more), or words, all of which occur in the recognised text or file name. */
  readonly q?: string | undefined;
  /** With sort=updatedAt: rows that changed at this time or later. */
  readonly updatedFrom?: string | Date | undefined;
  /** updatedAt: oldest change first, and nextCursor is never null. */
  readonly sort?: 'sentAt' | 'updatedAt' | undefined;
  readonly limit?: number | undefined;
  /** nextCursor or previousCursor of another page; absent: the first page. */
  readonly cursor?: string | undefined;
  readonly include?: 'link' | 'count' | readonly ('link' | 'count')[] | undefined;
  /** Items that have all of these labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** A media item and its object. Absent fields are unknown or do not apply. */
export interface Media {
  readonly id: string;
  readonly account: string;
  readonly status: Status;
  readonly waiting?: {
    readonly reason: WaitingReason;
    readonly until?: string;
  };
  readonly mediaId?: string;
  readonly kind?: Kind;
  readonly variant?: '16k' | 'jssdk';
  readonly parentId?: string;
  readonly openId?: string;
  readonly msgId?: string;
  readonly picUrl?: string;
  /** What WeChat recognised in a voice, or the title of a forwarded item. */
  readonly text?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The trace of the item (W3C Trace Context). */
  readonly traceparent?: string;
  readonly sentAt?: string;
  readonly expiresAt?: string;
  readonly closesAt?: string;
  readonly attempts: number;
  readonly bucket?: string;
  readonly objectKey?: string;
  readonly sizeBytes?: number;
  readonly sha256?: string;
  /** According to the first bytes. */
  readonly contentType?: string;
  /** As WeChat declared it. */
  readonly declaredType?: string;
  readonly fileName?: string;
  readonly source?: Source;
  readonly lengthVerified?: boolean;
  readonly failure?: Failure;
  /** How many times it was redriven. */
  readonly redrives?: number;
  readonly lastRedrive?: {
    readonly at: string;
    /** The name of the key. */
    readonly by: string;
    readonly reason?: string;
    /** The id of the bulk redrive it was part of. */
    readonly redrive?: string;
  };
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly archivedAt?: string;
  /** When all data of an erased media item was deleted. */
  readonly erasedAt?: string;
  /** An erasure that is not finished. */
  readonly erasing?: {
    readonly since: string;
    readonly why?: 'busy' | 'failure' | 'kept';
    readonly problem?: string;
    /** The objects that the storage refuses to delete. */
    readonly left?: readonly {
      readonly bucket: string;
      readonly key: string;
      readonly versionId?: string;
      readonly why: 'locked' | 'refused' | 'otherBucket';
      /** When the retention of the storage ends, if it is known. */
      readonly until?: string;
      readonly legalHold?: boolean;
      readonly detail?: string;
    }[];
  };
  /** With include=link. */
  readonly link?: {
    readonly url: string;
    readonly expiresAt: string;
  };
  /** With include=attemptLog. */
  readonly attemptLog?: readonly {
    readonly startedAt: string;
    readonly endedAt: string;
    readonly ms: number;
    readonly outcome: string;
    readonly code?: string;
    readonly errcode?: number;
    /** The failure in words. */
    readonly message?: string;
    readonly bytes?: number;
  }[];
}

export interface Failure {
  /** Stable machine name. */
  readonly code: string;
  readonly class: string;
  /** WeChat's own number. */
  readonly errcode?: number;
  readonly errmsg?: string;
  /** Tencent's request id; their support asks for it. */
  readonly rid?: string;
  readonly detail?: string;
  /** What happened, in the language of Accept-Language. */
  readonly message: string;
  /** What to do. */
  readonly advice: string;
}

/** One page of a list. */
export interface MediaPage {
  readonly items: readonly Media[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** Null on the first page. */
  readonly previousCursor: string | null;
  /** With include=count: how many items match on all pages together, at most 10000. */
  readonly count?: number;
  /** false: more items than count match. */
  readonly countIsExact?: boolean;
}

/** A link that opens without a key. */
export interface Link {
  readonly url: string;
  readonly expiresAt: string;
}

/** What became of a media item. `data` is the item as it is when the event is read or sent. */
export interface MediaEvent {
  /** The same at each delivery, and the value of webhook-id: skip an id that you have seen. */
  readonly id: string;
  /** When it happened. */
  readonly at: string;
  /** Grows with each event: events sorted by it are in the order in which they happened. */
  readonly sequence: number;
  readonly type:
    | 'media.archived'
    | 'media.dead'
    | 'media.expired'
    | 'media.at_risk'
    | 'media.redriven'
    | 'media.erased';
  /** The account that the event is about. */
  readonly account: string;
  readonly data: Media;
}

/** An account was held or released. `data` is the account. */
export interface AccountEvent {
  /** The same at each delivery, and the value of webhook-id: skip an id that you have seen. */
  readonly id: string;
  /** When it happened. */
  readonly at: string;
  /** Grows with each event: events sorted by it are in the order in which they happened. */
  readonly sequence: number;
  readonly type: 'account.held' | 'account.released';
  /** The account that the event is about. */
  readonly account: string;
  readonly data: {
    readonly account: string;
    readonly name?: string;
    readonly product?: string;
    readonly hold: {
      /** Stable machine name. */
      readonly code: string;
      readonly class: string;
      /** WeChat's own number. */
      readonly errcode?: number;
      readonly errmsg?: string;
      /** Tencent's request id; their support asks for it. */
      readonly rid?: string;
      readonly detail?: string;
      /** What happened, in the language of Accept-Language. */
      readonly message: string;
      /** What to do. */
      readonly advice: string;
      /** The reason that was given when a person set the hold; otherwise the cause of the hold. */
      readonly reason: string;
      readonly since?: string;
      /** When one media item is dispatched as a probe; absent: until it is released. */
      readonly until?: string;
      /** The name of the key that set the hold; absent: set automatically. */
      readonly by?: string;
    } | null;
  };
}

/** All archiving was held or released. `data` is the store. */
export interface StoreEvent {
  /** The same at each delivery, and the value of webhook-id: skip an id that you have seen. */
  readonly id: string;
  /** When it happened. */
  readonly at: string;
  /** Grows with each event: events sorted by it are in the order in which they happened. */
  readonly sequence: number;
  readonly type: 'store.held' | 'store.released';
  /** All accounts. */
  readonly account: null;
  readonly data: {
    readonly name: string;
    readonly hold: {
      /** Stable machine name. */
      readonly code: string;
      readonly class: string;
      /** WeChat's own number. */
      readonly errcode?: number;
      readonly errmsg?: string;
      /** Tencent's request id; their support asks for it. */
      readonly rid?: string;
      readonly detail?: string;
      /** What happened, in the language of Accept-Language. */
      readonly message: string;
      /** What to do. */
      readonly advice: string;
      readonly since: string;
      /** When the store is probed again. */
      readonly until: string;
    } | null;
  };
}

/** Why a request was refused. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Stable machine name. */
  readonly code: string;
  readonly detail?: string;
  /** What to do, in the language of Accept-Language (en or zh). */
  readonly advice: string;
  readonly errors?: readonly {
    readonly field: string;
    readonly message: string;
  }[];
}

/** An item that was accepted while the catalogue is unavailable. */
export interface SpooledMedia {
  /** appId (WeCom: corpId-agentId), or the name of a configured account. */
  readonly account: string;
  /** The media id from the message of WeChat. */
  readonly mediaId: string;
  readonly kind: Kind;
  /** Voices only. */
  readonly variant?: '16k' | 'jssdk';
  /** Id of the media item to which this one belongs (thumbs, variants). */
  readonly parentId?: string;
  readonly openId?: string;
  /** 64 bits: a string. */
  readonly msgId?: string;
  readonly sentAt?: string;
  readonly picUrl?: string;
  /** What WeChat recognised in a voice, or the title of a forwarded item. */
  readonly text?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The trace to which the attempts of this media item belong (W3C Trace Context). */
  readonly traceparent?: string;
  readonly id: string;
  readonly status: Status;
  /** The catalogue is unavailable: the reference is on local disk, and is written when the catalogue is available again; an existing row does not change. */
  readonly spooled?: true;
}
