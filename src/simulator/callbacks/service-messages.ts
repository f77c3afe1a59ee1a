/** Callbacks that are no message of a user: WeCom customer service's, and the ticket of a third-party platform. */
import type { ServiceMessage } from '../api/customer-service.ts';
import type { Members } from '../http/requests.ts';
import type { Behaviour, SimulatedKind } from '../media/media-id.ts';
import type { Simulator } from '../server.ts';
import type { Message } from './messages.ts';

/** What a customer can send; `html` and `json` are files that look like an answer of WeCom. */
export const SERVICE_KINDS = [
  'image',
  'voice',
  'video',
  'file',
  'html',
  'json',
  'text',
  'event',
  'merged',
  'miniprogram',
] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

export interface ServiceWish {
  /** The account's identity, corpId-agentId. */
  readonly account: string;
  readonly openKfId: string;
  readonly kind: ServiceKind;
  readonly seed: number;
  readonly customerId?: string;
  readonly sizeBytes?: number;
  readonly behaviour?: Behaviour;
  readonly mediaId?: string;
}

const MEDIA: Readonly<Partial<Record<ServiceKind, { msgtype: string; kind: SimulatedKind }>>> = {
  image: { msgtype: 'image', kind: 'image' },
  voice: { msgtype: 'voice', kind: 'voice' },
  video: { msgtype: 'video', kind: 'video' },
  file: { msgtype: 'file', kind: 'file' },
  html: { msgtype: 'file', kind: 'htmlFile' },
  json: { msgtype: 'file', kind: 'jsonFile' },
};

/** Puts a message where sync_msg finds it, and composes the callback that says so. */
export function composeServiceMessage(
  simulator: Pick<Simulator, 'mint' | 'now' | 'accountOf' | 'customerService'>,
  wish: ServiceWish,
): Message {
  const { account, openKfId, kind, seed } = wish;
  const { appId: corpId } = simulator.accountOf(account);
  const media = MEDIA[kind];
  const seconds = Math.floor(simulator.now().getTime() / 1000);
  const mediaIds: string[] = [];
  const mint = (of: SimulatedKind, its = seed): string => {
    const made = simulator.mint(account, {
      kind: of,
      seed: its,
      createdAt: new Date(seconds * 1000),
      ...(wish.sizeBytes !== undefined && { sizeBytes: wish.sizeBytes }),
      ...(wish.behaviour && { behaviour: wish.behaviour }),
    });
    const mediaId = mediaIds.length === 0 ? (wish.mediaId ?? made) : made;
    mediaIds.push(mediaId);
    return mediaId;
  };
  /** A forwarded record: a text, a picture, and a record inside it with a file and a mini program. */
  const line = (msgtype: string, content: object) => ({
    sender_name: '张三',
    send_time: seconds - 60,
    msgtype,
    msg_content: JSON.stringify({ [msgtype]: content }),
  });
  const contents: Readonly<Record<string, () => Members>> = {
    text: () => ({ content: '你好 👋' }),
    miniprogram: () => ({ title: '小程序', appid: 'wx1', pagepath: 'p', thumb_media_id: mint('thumb') }),
    merged: () => ({
      title: '群聊的聊天记录',
      item: [
        line('text', { content: '你好' }),
        line('image', { media_id: mint('image') }),
        line('merged_msg', {
          title: '聊天记录',
          item: [
            line('file', { media_id: mint('file', seed + 1) }),
            line('miniprogram', { title: '小程序', thumb_media_id: mint('thumb', seed + 2) }),
          ],
        }),
      ],
    }),
  };
  const external_userid = wish.customerId ?? 'wmSimulatedCustomer0000000000001';
  const message: ServiceMessage =
    kind === 'event'
      ? {
          msgtype: 'event',
          origin: 4,
          content: { event_type: 'enter_session', open_kfid: openKfId, external_userid },
        }
      : {
          msgtype: media?.msgtype ?? (kind === 'merged' ? 'merged_msg' : kind),
          external_userid,
          origin: 3,
          content: media ? { media_id: mint(media.kind) } : contents[kind]!(),
        };
  const { token } = simulator.customerService.receive(corpId, openKfId, message);
  const fields = {
    ToUserName: corpId,
    CreateTime: seconds,
    MsgType: 'event',
    Event: 'kf_msg_or_event',
    Token: token,
    OpenKfId: openKfId,
  };
  return { account, fields, mediaIds };
}

/** The ticket that WeChat pushes to a platform every ten minutes. Its account is the platform itself. */
export function composeTicket(
  simulator: Pick<Simulator, 'now' | 'components'>,
  componentAppId: string,
): Message {
  const fields = {
    AppId: componentAppId,
    CreateTime: Math.floor(simulator.now().getTime() / 1000),
    InfoType: 'component_verify_ticket',
    ComponentVerifyTicket: simulator.components.ticket(componentAppId),
  };
  return { account: componentAppId, fields, mediaIds: [] };
}
