/** From messages of customer service to the media they mention, those inside forwarded records included. */
import { identitySchema, idOf, type Kind, type ReferenceInput, referenceSchema } from '../../media.ts';

/** What is passed over is counted by these types; all others are `other`. */
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
 * Why nothing of a message is archived: it has no media id; one that cannot be one; it is no message of a known form;
 * it is a record inside too many records.
 */
export type SkipReason = 'no_media' | 'unusable' | 'unreadable' | 'too_deep';

export interface KfMessages {
  readonly references: readonly ReferenceInput[];
  readonly skipped: readonly { readonly type: MessageType; readonly why: SkipReason }[];
}

/** Records of records of records: people do not forward more, and a page is bounded anyway. */
const MAX_DEPTH = 5;
const KINDS: Readonly<Record<string, Kind>> = {
  image: 'image',
  voice: 'voice',
  video: 'video',
  file: 'file',
};

type Fields = Readonly<Record<string, unknown>>;
type Outer = Pick<ReferenceInput, 'account' | 'openId' | 'msgId' | 'sentAt'>;

/** All messages of a page, customers' and staff's alike, in order. Never throws, whatever the page holds. */
export function parseKfMessages(account: string, list: readonly unknown[]): KfMessages {
  const references = new Map<string, ReferenceInput>();
  const passedOver: KfMessages['skipped'][number][] = [];

  function readTyped(outer: Outer, type: string, content: unknown, level: number): void {
    const why = readContent(outer, type, content, level);
    const named = MESSAGE_TYPES.find((one) => one === type) ?? 'other';
    if (why) passedOver.push({ type: named, why });
  }

  /** `content`: what stands under the message's type. The same media id twice is one. */
  function readContent(outer: Outer, type: string, content: unknown, level: number): SkipReason | undefined {
    const fields = objectOf(content);
    if (!fields) return Object.hasOwn(KINDS, type) || type === 'merged_msg' ? 'unreadable' : 'no_media';
    if (type === 'merged_msg') {
      if (!Array.isArray(fields.item)) return 'unreadable';
      if (level >= MAX_DEPTH) return 'too_deep';
      for (const item of fields.item) readItem(outer, item, level + 1);
      return undefined;
    }
    const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
    // A type of a later time that carries a file shall not lose it: bytes tell what they are.
    const found = [
      [kind ?? 'file', fields.media_id],
      ['thumb', fields.thumb_media_id],
    ] as const;
    const given = found.filter(([, mediaId]) => mediaId !== undefined && mediaId !== null);
    if (given.length === 0) return kind ? 'unusable' : 'no_media';
    let why: SkipReason | undefined;
    for (const [its, mediaId] of given) {
      const ofVideo = its === 'thumb' && kind && typeof fields.media_id === 'string';
      const parent = ofVideo ? { parentId: idOf(account, fields.media_id as string) } : {};
      const parsed = identitySchema.safeParse({ account, mediaId, kind: its });
      if (parsed.success) references.set(parsed.data.mediaId, { ...outer, ...parsed.data, ...parent });
      else why = 'unusable';
    }
    return why;
  }

  /** One line of a forwarded record. `msg_content` is the JSON of an ordinary message, or of what stands in it. */
  function readItem(outer: Outer, item: unknown, level: number): void {
    const fields = objectOf(item);
    const content = objectOf(parsed(fields?.msg_content)) ?? objectOf(parsed(fields?.content));
    const type =
      textOf(fields?.msgtype) ??
      textOf(content?.msgtype) ??
      MESSAGE_TYPES.find((one) => content && Object.hasOwn(content, one));
    if (type === undefined) {
      passedOver.push({ type: 'other', why: 'unreadable' });
      return;
    }
    const inner = content && Object.hasOwn(content, type) ? parsed(content[type]) : content;
    readTyped(outer, type, inner ?? fields?.[type], level);
  }

  for (const message of list) {
    const fields = objectOf(message);
    const type = textOf(fields?.msgtype);
    if (!fields || type === undefined) {
      passedOver.push({ type: 'other', why: 'unreadable' });
      continue;
    }
    const seconds = Number(fields.send_time);
    const isTime = seconds > 1_300_000_000 && seconds < 4_102_444_800;
    const outer = {
      account,
      ...keep('openId', fields.external_userid),
      ...keep('msgId', fields.msgid),
      ...(isTime ? { sentAt: new Date(seconds * 1000) } : {}),
    };
    readTyped(outer, type, Object.hasOwn(fields, type) ? fields[type] : undefined, 1);
  }
  return { references: [...references.values()], skipped: passedOver };
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const objectOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

/** The value itself, or what its JSON says. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value.replace(/[\x00-\x1f]/g, ' '));
  } catch {
    return undefined;
  }
}

function keep(name: 'openId' | 'msgId', value: unknown): { [key in typeof name]?: string } {
  return typeof value === 'string' && referenceSchema.shape[name].safeParse(value).success
    ? { [name]: value }
    : {};
}
