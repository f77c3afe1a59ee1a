/** From the fields of a message to the media it mentions: for callbacks, and for producers that parsed it themselves. */
import { identitySchema, idOf, type Kind, type ReferenceInput, referenceSchema } from '../../media.ts';
import type { Fields } from './parse-message.ts';

/**
 * `messageType` is WeChat's MsgType (`image`, `event`, …) or `other`; fit for a metric's label. `why` is in words of
 * ours.
 */
export type MessageRead =
  | { readonly kind: 'media'; readonly messageType: string; readonly references: readonly ReferenceInput[] }
  | { readonly kind: 'ignored'; readonly messageType: string }
  | { readonly kind: 'malformed'; readonly why: string };

/**
 * Reads the fields of one message. Optional fields that are not what they should be are left out; a media id that
 * cannot be one makes the message malformed. A video gives two references, its own and its thumb's.
 */
export function readReferences(account: string, fields: Fields): MessageRead {
  const field = (name: string): string | undefined => fields.get(name)?.trim() || undefined;
  const msgType = field('MsgType');
  if (msgType === undefined) return malformed('a message without MsgType');
  const messageType = /^[a-z][a-z0-9_]{0,31}$/.test(msgType) ? msgType : 'other';

  const { openId, msgId, picUrl } = referenceSchema.shape;
  const shared = {
    account,
    ...keep('openId', openId, field('FromUserName')),
    ...keep('msgId', msgId, field('MsgId') ?? field('MsgID')),
    ...timeOf(field('CreateTime')),
  };
  const media = (kind: Kind, mediaId: string | undefined, extra: Partial<ReferenceInput> = {}) =>
    mediaId === undefined ? [] : [{ ...shared, kind, mediaId, ...extra } satisfies ReferenceInput];
  const mediaId = field('MediaId');
  const parent = () => (mediaId === undefined ? {} : { parentId: idOf(account, mediaId) });
  const withMedia = (references: ReferenceInput[]): MessageRead => {
    // The loud way: WeChat shows a refusal in its console, while a media nobody recorded would just be missing.
    if (references.length === 0) return malformed(`a message of type ${messageType} without its media id`);
    if (!references.every((reference) => identitySchema.safeParse(reference).success)) {
      return malformed(`a message of type ${messageType} with a media id that cannot be one`);
    }
    return { kind: 'media', messageType, references };
  };

  switch (messageType) {
    case 'image':
      return withMedia(media('image', mediaId, keep('picUrl', picUrl, field('PicUrl'))));
    case 'voice':
      return withMedia([
        ...media('voice', mediaId),
        ...media('voice', field('MediaId16K'), { variant: '16k', ...parent() }),
      ]);
    case 'video':
    case 'shortvideo':
      return withMedia([...media(messageType, mediaId), ...media('thumb', field('ThumbMediaId'), parent())]);
    case 'miniprogrampage': {
      const thumb = media('thumb', field('ThumbMediaId'));
      return thumb.length > 0 ? withMedia(thumb) : { kind: 'ignored', messageType };
    }
    case 'file':
      // Official accounts get no media id for files (WeCom does): recorded so that somebody sees what was lost.
      return withMedia(media('file', mediaId ?? (shared.msgId && `msg:${shared.msgId}`)));
    default: {
      // A type of a later time that carries a media id shall not lose it.
      const later = NO_MEDIA.has(messageType)
        ? []
        : [...media('file', mediaId), ...media('thumb', field('ThumbMediaId'), parent())];
      const read = later.length > 0 ? withMedia(later) : undefined;
      return read?.kind === 'media' ? read : { kind: 'ignored', messageType };
    }
  }
}

/** Types known to carry no media id of their own; what a user typed in them may look like a field. */
const NO_MEDIA: ReadonlySet<string> = new Set([
  'text',
  'location',
  'link',
  'event',
  'transfer_customer_service',
  'other',
]);

/** An optional field, kept only if it is what it should be: a bad PicUrl must not cost the picture. */
function keep<Name extends 'openId' | 'msgId' | 'picUrl'>(
  name: Name,
  schema: (typeof referenceSchema.shape)[Name],
  value: string | undefined,
): { [key in Name]?: string } {
  if (value === undefined || !schema.safeParse(value).success) return {};
  return { [name]: value } as { [key in Name]?: string };
}

/** CreateTime is in seconds. Without a plausible one (2011 to 2099) the moment of arrival counts. */
function timeOf(seconds: string | undefined): { sentAt?: Date } {
  if (seconds === undefined || !/^\d{1,10}$/.test(seconds)) return {};
  const sentAt = new Date(Number(seconds) * 1000);
  return sentAt.getUTCFullYear() >= 2011 && sentAt.getUTCFullYear() < 2100 ? { sentAt } : {};
}

const malformed = (why: string): MessageRead => ({ kind: 'malformed', why });
