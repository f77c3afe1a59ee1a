/** Messages as WeChat writes them into callbacks: the fields of each type, in XML or JSON. */
import { createHash } from 'node:crypto';
import type { Behaviour, SimulatedKind } from '../media/media-id.ts';
import type { Simulator } from '../server.ts';
import { eventFields } from './events.ts';
import type { Fields } from './message-text.ts';

export interface Message {
  readonly account: string;
  /** In the order WeChat writes them; ToUserName first. */
  readonly fields: Fields;
  /** The media ids it names. */
  readonly mediaIds: readonly string[];
}

/** `unheardOf` is a MsgType that nobody has documented yet. */
export const MESSAGE_KINDS = [
  'image',
  'voice',
  'video',
  'shortvideo',
  'text',
  'file',
  'event',
  'location',
  'link',
  'miniprogrampage',
  'unheardOf',
] as const;
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
  /** Default what the kind says; `silkVoice` for a voice, for instance. */
  readonly fileKind?: SimulatedKind;
  /** Of the message's main media; thumbs and 16 kHz voices are always good. */
  readonly behaviour?: Behaviour;
  /** Default true: images have a PicUrl, a second source of the same picture. */
  readonly withPicUrl?: boolean;
  /** Default true: videos name their thumb. */
  readonly withThumb?: boolean;
  /** Default false: voices also name their 16 kHz twin. */
  readonly with16k?: boolean;
  /** Default false: sent from an article, so MsgDataId and Idx stand at the end. */
  readonly fromArticle?: boolean;
  /** The text of a text; the name of an event (events.ts knows more than `subscribe`). */
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

/** The part of `corpId-agentId` after the corp. */
export const agentIdOf = ({ account, appId }: { account: string; appId: string }): number =>
  Number(account.slice(appId.length + 1)) || 0;

/** A message of that kind with ids minted for it. */
export function composeMessage(
  simulator: Pick<Simulator, 'mint' | 'picUrl' | 'now' | 'accountOf'>,
  wish: MessageWish,
): Message {
  const { account, kind, seed } = wish;
  const seconds = Math.floor((wish.sentAt ?? simulator.now()).getTime() / 1000);
  const createdAt = new Date(seconds * 1000);
  const mint = (of: SimulatedKind, main = false) =>
    simulator.mint(account, {
      kind: (main && wish.fileKind) || of,
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

  function particulars(): Fields {
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
        return eventFields(wish.text ?? 'subscribe', seed);
      case 'location':
        return { Location_X: '23.134521', Location_Y: '113.358803', Scale: 20, Label: '广州市海珠区' };
      case 'link':
        return { Title: '公众平台官网链接', Description: '说明', Url: 'https://example.com/article' };
      case 'miniprogrampage':
        return {
          Title: '小程序卡片',
          AppId: account,
          PagePath: 'pages/index/index',
          ThumbUrl: simulator.picUrl(mint('image')),
          ThumbMediaId: named(mint('thumb')),
        };
      case 'unheardOf':
        return { Hologram: 'x', MediaKey: hexOf(`hologram ${seed}`) };
    }
  }

  const { product, appId } = simulator.accountOf(account);
  const fields = {
    // WeCom names the corp, and the member by an id that people choose.
    ToUserName: product === 'wecom' ? appId : originalIdOf(account),
    FromUserName: wish.openId ?? (product === 'wecom' ? 'XiaoMing' : openIdOf('XiaoMing')),
    CreateTime: seconds,
    MsgType: kind === 'unheardOf' ? 'hologram' : kind,
    ...particulars(),
    // Events have no MsgId.
    ...(kind !== 'event' && { MsgId: wish.msgId ?? msgIdOf(wish, seconds) }),
    ...(wish.fromArticle && { MsgDataId: hexOf(`article ${seed}`).slice(0, 16), Idx: 1 }),
    ...(product === 'wecom' && { AgentID: agentIdOf({ account, appId }) }),
  };
  return { account, fields, mediaIds };
}
