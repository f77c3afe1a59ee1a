/** Reads references from messages of WeCom customer service, including those in forwarded records. */
import { identitySchema, idOf, type Kind, type ReferenceInput, referenceSchema } from '../../media.ts';
import { itemText } from '../callback/references.ts';

/** The types by which skipped messages are counted. All other types count as `other`. */
export const MESSAGE_TYPES = [
  'text',
  'image',
  'voice',
  'video',
  'file',
  'location',
  'link',
  'business_card',
  'miniprogram',
  'msgmenu',
  'merged_msg',
  'channels',
  'channels_shop_product',
  'channels_shop_order',
  'meeting',
  'schedule',
  'note',
  'event',
] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number] | 'other';

/**
 * Why a message was skipped. `no_media`: it has no media id; `unusable`: its media id is invalid; `unreadable`: its
 * format is unknown; `too_deep`: it is nested in too many forwarded records.
 */
export type SkipReason = 'no_media' | 'unusable' | 'unreadable' | 'too_deep';

export interface KfMessages {
  readonly references: readonly ReferenceInput[];
  readonly skipped: readonly { readonly type: MessageType; readonly why: SkipReason }[];
}

/** How deep forwarded records may be nested. Users do not nest them deeper. */
const MAX_DEPTH = 5;
const KINDS: Readonly<Record<string, Kind>> = {
  image: 'image',
  voice: 'voice',
  video: 'video',
  file: 'file',
};

type Fields = Readonly<Record<string, unknown>>;
/** `text` is the title of the innermost record or card that has one. */
type Outer = Pick<ReferenceInput, 'account' | 'openId' | 'msgId' | 'sentAt' | 'text'>;

/**
 * Reads all messages of a page in order, those of customers and those of staff. Does not throw for any content of the
 * page.
 */
export function parseKfMessages(account: string, list: readonly unknown[]): KfMessages {
  const references = new Map<string, ReferenceInput>();
  const skipped: KfMessages['skipped'][number][] = [];

  function readTyped(outer: Outer, type: string, content: unknown, level: number): void {
    const why = readContent(outer, type, content, level);
    const named = MESSAGE_TYPES.find((one) => one === type) ?? 'other';
    if (why) skipped.push({ type: named, why });
  }

  /** `content` is the member that is named after the type. A media id that occurs twice leads to one reference. */
  function readContent(around: Outer, type: string, content: unknown, level: number): SkipReason | undefined {
    const fields = objectOf(content);
    const outer = { ...around, ...itemText(textOf(fields?.title)) };
    if (!fields) return Object.hasOwn(KINDS, type) || type === 'merged_msg' ? 'unreadable' : 'no_media';
    if (type === 'merged_msg') {
      if (!Array.isArray(fields.item)) return 'unreadable';
      if (level >= MAX_DEPTH) return 'too_deep';
      for (const item of fields.item) readItem(outer, item, level + 1);
      return undefined;
    }
    const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
    // A future type may contain a file, which must not be lost. Its format is recognised later by its bytes.
    const found = [
      [kind ?? 'file', fields.media_id],
      ['thumb', fields.thumb_media_id],
    ] as const;
    const present = found.filter(([, mediaId]) => mediaId !== undefined && mediaId !== null);
    if (present.length === 0) return kind ? 'unusable' : 'no_media';
    let why: SkipReason | undefined;
    for (const [itemKind, mediaId] of present) {
      const ofVideo = itemKind === 'thumb' && kind && typeof fields.media_id === 'string';
      const parent = ofVideo ? { parentId: idOf(account, fields.media_id as string) } : {};
      const parsed = identitySchema.safeParse({ account, mediaId, kind: itemKind });
      if (parsed.success) references.set(parsed.data.mediaId, { ...outer, ...parsed.data, ...parent });
      else why = 'unusable';
    }
    return why;
  }

  /** Reads one entry of a forwarded record. `msg_content` is the JSON of a whole message, or of its content. */
  function readItem(outer: Outer, item: unknown, level: number): void {
    const fields = objectOf(item);
    const content = objectOf(parsed(fields?.msg_content)) ?? objectOf(parsed(fields?.content));
    const type =
      textOf(fields?.msgtype) ??
      textOf(content?.msgtype) ??
      MESSAGE_TYPES.find((one) => content && Object.hasOwn(content, one));
    if (type === undefined) {
      skipped.push({ type: 'other', why: 'unreadable' });
      return;
    }
    const inner = content && Object.hasOwn(content, type) ? parsed(content[type]) : content;
    readTyped(outer, type, inner ?? fields?.[type], level);
  }

  for (const message of list) {
    const fields = objectOf(message);
    const type = textOf(fields?.msgtype);
    if (!fields || type === undefined) {
      skipped.push({ type: 'other', why: 'unreadable' });
      continue;
    }
    const seconds = Number(fields.send_time);
    const isTime = seconds > 1_300_000_000 && seconds < 4_102_444_800;
    const outer = {
      account,
      ...optional('openId', fields.external_userid),
      ...optional('msgId', fields.msgid),
      ...(isTime ? { sentAt: new Date(seconds * 1000) } : {}),
    };
    readTyped(outer, type, Object.hasOwn(fields, type) ? fields[type] : undefined, 1);
  }
  return { references: [...references.values()], skipped: skipped };
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const objectOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

/** Returns the value itself, or the parsed value of a JSON string. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value.replace(/[\x00-\x1f]/g, ' '));
  } catch {
    return undefined;
  }
}

function optional(name: 'openId' | 'msgId', value: unknown): { [key in typeof name]?: string } {
  return typeof value === 'string' && referenceSchema.shape[name].safeParse(value).success
    ? { [name]: value }
    : {};
}
