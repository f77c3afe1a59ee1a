/** Composes messages as WeChat writes them into callbacks: the fields of each type. */
import { createHash } from 'node:crypto';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import type { MediaRecipe, ResponseFault, SimulatedKind } from '../media/media-id.ts';
import { eventFields } from './events.ts';
import type { Fields } from './message-text.ts';

export interface Message {
  readonly account: string;
  /** In WeChat's order: ToUserName first. */
  readonly fields: Fields;
  /** The media ids in its fields. */
  readonly mediaIds: readonly string[];
}

/** The part of the simulator that messages are composed with. */
export interface MessageSource {
  now(): Date;
  accountOf(account: string): SimulatedAccount;
  mint(account: string, recipe: Omit<MediaRecipe, 'appId'>): string;
  picUrl(mediaId: string): string;
}

/** `undocumented` is a MsgType that WeChat's documentation does not have. */
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
  'undocumented',
] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface MessageSpec {
  /** The account's identity. */
  readonly account: string;
  readonly kind: MessageKind;
  /** Decides the file and the MsgId. */
  readonly seed: number;
  /** Default now. Cut to whole seconds, because CreateTime is; the files are created at that second. */
  readonly sentAt?: Date;
  readonly openId?: string;
  readonly msgId?: bigint;
  readonly sizeBytes?: number;
  /** Default: the kind of the message. A voice may be a `silkVoice`, for example. */
  readonly fileKind?: SimulatedKind;
  /** Applies to the message's main file; thumbs and 16 kHz voices have no faults. */
  readonly fault?: ResponseFault;
  /** Default true: images have a PicUrl. */
  readonly withPicUrl?: boolean;
  /** Default true: videos have a thumb. */
  readonly withThumb?: boolean;
  /** Default false: voices also have a version of 16 kHz. */
  readonly with16k?: boolean;
  /** What WeChat recognised in a voice; default nothing. */
  readonly recognition?: string;
  /** Default false. Messages sent from an article end with MsgDataId and Idx. */
  readonly fromArticle?: boolean;
  /** The text of a text message, or the name of an event (events.ts); default `subscribe`. */
  readonly text?: string;
  /** In place of a minted id, for example an id that WeChat does not know. */
  readonly mediaId?: string;
}

const hexOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The account's original id: `gh_` and twelve digits. */
const originalIdOf = (account: string): string => `gh_${hexOf(account).slice(0, 12)}`;

/** Returns an openid of 28 characters that begins with o, as real ones do; the nickname stays readable. */
export function openIdOf(nickname: string): string {
  return `o${nickname}_${Buffer.from(hexOf(nickname), 'hex').toString('base64url')}`.slice(0, 28);
}

/** 17 digits, which a double cannot hold. */
function msgIdOf(spec: MessageSpec, seconds: number): bigint {
  const offset = BigInt(`0x${hexOf(`${spec.account} ${spec.kind} ${spec.seed} ${seconds}`).slice(0, 12)}`);
  return 22_800_000_000_000_000n + offset;
}

/** Returns the agent id of `corpId-agentId`. */
export const agentIdOf = ({ account, appId }: { account: string; appId: string }): number =>
  Number(account.slice(appId.length + 1)) || 0;

/** Composes a message and mints its media ids. */
export function composeMessage(simulator: MessageSource, spec: MessageSpec): Message {
  const { account, kind, seed } = spec;
  const seconds = Math.floor((spec.sentAt ?? simulator.now()).getTime() / 1000);
  const createdAt = new Date(seconds * 1000);
  const mint = (fileKind: SimulatedKind, isMain = false) =>
    simulator.mint(account, {
      kind: (isMain && spec.fileKind) || fileKind,
      seed,
      createdAt,
      ...(isMain && spec.sizeBytes !== undefined && { sizeBytes: spec.sizeBytes }),
      ...(isMain && spec.fault && { fault: spec.fault }),
    });
  const mediaIds: string[] = [];
  const add = (mediaId: string) => {
    mediaIds.push(mediaId);
    return mediaId;
  };

  function fieldsOfKind(): Fields {
    switch (kind) {
      case 'image': {
        const MediaId = add(spec.mediaId ?? mint('image', true));
        return { ...(spec.withPicUrl !== false && { PicUrl: simulator.picUrl(MediaId) }), MediaId };
      }
      case 'voice':
        return {
          MediaId: add(spec.mediaId ?? mint('voice', true)),
          Format: 'amr',
          // WeChat sends the field in every voice, and leaves it empty where it recognised nothing.
          Recognition: spec.recognition ?? '',
          ...(spec.with16k && { MediaId16K: add(mint('voice16k')) }),
        };
      case 'video':
      case 'shortvideo':
        return {
          MediaId: add(spec.mediaId ?? mint(kind, true)),
          ...(spec.withThumb !== false && { ThumbMediaId: add(mint('thumb')) }),
        };
      case 'text':
        return { Content: spec.text ?? '你好 👋 <hello> & ]]> bye' };
      case 'file':
        return {
          Title: 'report.pdf',
          Description: '报告',
          FileKey: hexOf(`key ${seed}`),
          FileMd5: hexOf(`md5 ${seed}`).slice(0, 32),
          FileTotalLen: 48_213,
        };
      case 'event':
        return eventFields(spec.text ?? 'subscribe', seed);
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
          ThumbMediaId: add(mint('thumb')),
        };
      case 'undocumented':
        return { Hologram: 'x', MediaKey: hexOf(`hologram ${seed}`) };
    }
  }

  const { product, appId } = simulator.accountOf(account);
  const fields = {
    // At WeCom these are the corp id, and a member id that people choose.
    ToUserName: product === 'wecom' ? appId : originalIdOf(account),
    FromUserName: spec.openId ?? (product === 'wecom' ? 'XiaoMing' : openIdOf('XiaoMing')),
    CreateTime: seconds,
    MsgType: kind === 'undocumented' ? 'hologram' : kind,
    ...fieldsOfKind(),
    // Events have no MsgId.
    ...(kind !== 'event' && { MsgId: spec.msgId ?? msgIdOf(spec, seconds) }),
    ...(spec.fromArticle && { MsgDataId: hexOf(`article ${seed}`).slice(0, 16), Idx: 1 }),
    ...(product === 'wecom' && { AgentID: agentIdOf({ account, appId }) }),
  };
  return { account, fields, mediaIds };
}
