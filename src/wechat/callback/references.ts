/** Reads references from the fields of a message, for callbacks and for producers that parse messages themselves. */
import {
  cutText,
  identitySchema,
  idOf,
  type Kind,
  type ReferenceInput,
  referenceSchema,
  TEXT_LIMIT,
} from '../../media.ts';
import { storableText } from '../../storable.ts';
import type { Fields } from './parse-message.ts';

/**
 * `messageType` is WeChat's MsgType (`image`, `event`, …) or `other`, so it can be a label of a metric. `why` contains
 * no part of the message.
 */
export type MessageRead =
  | { readonly kind: 'media'; readonly messageType: string; readonly references: readonly ReferenceInput[] }
  | { readonly kind: 'ignored'; readonly messageType: string }
  | { readonly kind: 'malformed'; readonly why: string };

/**
 * Reads the fields of one message. Invalid optional fields are left out; an invalid media id makes the message
 * malformed. A video has two references: one for the video and one for its thumb.
 */
export function readReferences(account: string, fields: Fields): MessageRead {
  const field = (name: string): string | undefined => fields.get(name)?.trim() || undefined;
  const msgType = field('MsgType');
  if (msgType === undefined) return malformed('a message without MsgType');
  const messageType = /^[a-z][a-z0-9_]{0,31}$/.test(msgType) ? msgType : 'other';

  const { openId, msgId, picUrl } = referenceSchema.shape;
  const common = {
    account,
    ...optional('openId', openId, field('FromUserName')),
    ...optional('msgId', msgId, field('MsgId') ?? field('MsgID')),
    ...timeOf(field('CreateTime')),
  };
  const media = (kind: Kind, mediaId: string | undefined, extra: Partial<ReferenceInput> = {}) =>
    mediaId === undefined ? [] : [{ ...common, kind, mediaId, ...extra } satisfies ReferenceInput];
  const mediaId = field('MediaId');
  const parent = () => (mediaId === undefined ? {} : { parentId: idOf(account, mediaId) });
  const withMedia = (references: ReferenceInput[]): MessageRead => {
    // The message is refused, because WeChat shows refusals in its console. An item that is not recorded would be lost
    // without a trace.
    if (references.length === 0) return malformed(`a message of type ${messageType} without its media id`);
    if (!references.every((reference) => identitySchema.safeParse(reference).success)) {
      return malformed(`a message of type ${messageType} with an invalid media id`);
    }
    return { kind: 'media', messageType, references };
  };

  switch (messageType) {
    case 'image':
      return withMedia(media('image', mediaId, optional('picUrl', picUrl, field('PicUrl'))));
    case 'voice':
      return withMedia([
        ...media('voice', mediaId, itemText(field('Recognition'))),
        ...media('voice', field('MediaId16K'), {
          variant: '16k',
          ...(mediaId === undefined ? itemText(field('Recognition')) : parent()),
        }),
      ]);
    case 'video':
    case 'shortvideo':
      return withMedia([...media(messageType, mediaId), ...media('thumb', field('ThumbMediaId'), parent())]);
    case 'miniprogrampage': {
      const thumb = media('thumb', field('ThumbMediaId'), itemText(field('Title')));
      return thumb.length > 0 ? withMedia(thumb) : { kind: 'ignored', messageType };
    }
    case 'file':
      // Official accounts get no media id for files (WeCom accounts do). The reference is recorded so that the loss is
      // visible.
      return withMedia(
        media('file', mediaId ?? (common.msgId && `msg:${common.msgId}`), itemText(field('Title'))),
      );
    default: {
      // A future message type may carry a media id, which must not be lost.
      const found = TYPES_WITHOUT_MEDIA_ID.has(messageType)
        ? []
        : [...media('file', mediaId), ...media('thumb', field('ThumbMediaId'), parent())];
      const read = found.length > 0 ? withMedia(found) : undefined;
      return read?.kind === 'media' ? read : { kind: 'ignored', messageType };
    }
  }
}

/** Types without a media id. A user's text in such a message may look like a field. */
const TYPES_WITHOUT_MEDIA_ID: ReadonlySet<string> = new Set([
  'text',
  'location',
  'link',
  'event',
  'transfer_customer_service',
  'other',
]);

/** Returns an optional field if it is valid. A picture must not be lost because its PicUrl is invalid. */
function optional<Name extends 'openId' | 'msgId' | 'picUrl'>(
  name: Name,
  schema: (typeof referenceSchema.shape)[Name],
  value: string | undefined,
): { [key in Name]?: string } {
  if (value === undefined || !schema.safeParse(value).success) return {};
  return { [name]: value } as { [key in Name]?: string };
}

/** What a search finds the item by: WeChat's transcript of a voice, or a title. A text that is too long is cut. */
export function itemText(value: string | undefined): { text?: string } {
  // Stored in a row, in a spool and in a queue, so that it has to be storable from here on.
  const text = cutText(storableText(value ?? ''), TEXT_LIMIT).trim();
  return text === '' ? {} : { text };
}

/** CreateTime is in seconds. Without a plausible value (2011 to 2099) the time of arrival is used. */
function timeOf(seconds: string | undefined): { sentAt?: Date } {
  if (seconds === undefined || !/^\d{1,10}$/.test(seconds)) return {};
  const sentAt = new Date(Number(seconds) * 1000);
  return sentAt.getUTCFullYear() >= 2011 && sentAt.getUTCFullYear() < 2100 ? { sentAt } : {};
}

const malformed = (why: string): MessageRead => ({ kind: 'malformed', why });
