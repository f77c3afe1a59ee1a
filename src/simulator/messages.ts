/** Messages as WeChat writes them into callbacks: the fields of each type, in XML or JSON. */
import { createHash } from 'node:crypto';
import type { Behaviour } from './media-id.ts';
import type { Simulator } from './server.ts';

/** Numbers are written bare: CreateTime, and MsgId, which has 64 bits and is therefore a bigint. */
export type FieldValue = string | number | bigint;

export interface Message {
  readonly account: string;
  /** In the order WeChat writes them; ToUserName first. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** The media ids it names. */
  readonly mediaIds: readonly string[];
}

export const MESSAGE_KINDS = ['image', 'voice', 'video', 'shortvideo', 'text', 'file', 'event'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface MessageWish {
  /** The account's identity. */
  readonly account: string;
  readonly kind: MessageKind;
  /** Another seed is another file and another MsgId. */
  readonly seed: number;
  /** Default now. Cut to whole seconds, because CreateTime is; the media are born at that second. */
  readonly sentAt?: Date;
  readonly openId?: string;
  readonly msgId?: bigint;
  readonly sizeBytes?: number;
  /** Of the message's main media; thumbs and 16 kHz voices are always good. */
  readonly behaviour?: Behaviour;
  /** Default true: images have a PicUrl, a second source of the same picture. */
  readonly withPicUrl?: boolean;
  /** Default true: videos name their thumb. */
  readonly withThumb?: boolean;
  /** Default false: voices also name their 16 kHz twin. */
  readonly with16k?: boolean;
  /** Of texts and events. */
  readonly text?: string;
  /** Instead of a minted id: an id WeChat does not know, for instance. */
  readonly mediaId?: string;
}

const hexOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The account's original id, `gh_` and twelve digits. */
const originalIdOf = (account: string): string => `gh_${hexOf(account).slice(0, 12)}`;

/** 28 characters beginning with o, as real ones; the nickname stays readable. */
export function openIdOf(nickname: string): string {
  return `o${nickname}_${Buffer.from(hexOf(nickname), 'hex').toString('base64url')}`.slice(0, 28);
}

/** 17 digits, beyond what a double can hold. */
function msgIdOf(wish: MessageWish, seconds: number): bigint {
  const spread = BigInt(`0x${hexOf(`${wish.account} ${wish.kind} ${wish.seed} ${seconds}`).slice(0, 12)}`);
  return 22_800_000_000_000_000n + spread;
}

/** A message of that kind with ids minted for it. */
export function composeMessage(
  simulator: Pick<Simulator, 'mint' | 'picUrl' | 'now'>,
  wish: MessageWish,
): Message {
  const { account, kind, seed } = wish;
  const seconds = Math.floor((wish.sentAt ?? simulator.now()).getTime() / 1000);
  const createdAt = new Date(seconds * 1000);
  const mint = (of: 'image' | 'voice' | 'voice16k' | 'video' | 'shortvideo' | 'thumb', main = false) =>
    simulator.mint(account, {
      kind: of,
      seed,
      createdAt,
      ...(main && wish.sizeBytes !== undefined && { sizeBytes: wish.sizeBytes }),
      ...(main && wish.behaviour && { behaviour: wish.behaviour }),
    });
  const mediaIds: string[] = [];
  const named = (mediaId: string) => {
    mediaIds.push(mediaId);
    return mediaId;
  };

  function particulars(): Record<string, FieldValue> {
    switch (kind) {
      case 'image': {
        const MediaId = named(wish.mediaId ?? mint('image', true));
        return { ...(wish.withPicUrl !== false && { PicUrl: simulator.picUrl(MediaId) }), MediaId };
      }
      case 'voice':
        return {
          MediaId: named(wish.mediaId ?? mint('voice', true)),
          Format: 'amr',
          Recognition: '',
          ...(wish.with16k && { MediaId16K: named(mint('voice16k')) }),
        };
      case 'video':
      case 'shortvideo':
        return {
          MediaId: named(wish.mediaId ?? mint(kind, true)),
          ...(wish.withThumb !== false && { ThumbMediaId: named(mint('thumb')) }),
        };
      case 'text':
        return { Content: wish.text ?? '你好 👋 <hello> & ]]> bye' };
      case 'file':
        return {
          Title: 'report.pdf',
          Description: '报告',
          FileKey: hexOf(`key ${seed}`),
          FileMd5: hexOf(`md5 ${seed}`).slice(0, 32),
          FileTotalLen: 48_213,
        };
      case 'event':
        return { Event: wish.text ?? 'subscribe', EventKey: '' };
    }
  }

  const fields = {
    ToUserName: originalIdOf(account),
    FromUserName: wish.openId ?? openIdOf('XiaoMing'),
    CreateTime: seconds,
    MsgType: kind,
    ...particulars(),
    // Events have no MsgId.
    ...(kind !== 'event' && { MsgId: wish.msgId ?? msgIdOf(wish, seconds) }),
  };
  return { account, fields, mediaIds };
}

const cdata = (text: string): string => `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;

export function toXml(fields: Readonly<Record<string, FieldValue>>): string {
  const lines = Object.entries(fields).map(
    ([name, value]) => `<${name}>${typeof value === 'string' ? cdata(value) : value}</${name}>`,
  );
  return `<xml>\n${lines.join('\n')}\n</xml>`;
}

/** By hand, because JSON.stringify refuses a bigint. */
export function toJson(fields: Readonly<Record<string, FieldValue>>): string {
  const members = Object.entries(fields).map(
    ([name, value]) => `${JSON.stringify(name)}:${typeof value === 'string' ? JSON.stringify(value) : value}`,
  );
  return `{${members.join(',')}}`;
}
