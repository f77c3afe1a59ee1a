/** Callbacks that are not a user's message: those of WeCom customer service, and the ticket of a third-party platform. */
import type { Components } from '../api/components.ts';
import type { CustomerService, ServiceMessage } from '../api/customer-service.ts';
import type { Members } from '../http/requests.ts';
import type { ResponseFault, SimulatedKind } from '../media/media-id.ts';
import type { Message, MessageSource } from './messages.ts';

/** What a customer can send; `html` and `json` are files that look like a response of WeCom. */
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

export interface ServiceMessageSpec {
  /** The account's identity, corpId-agentId. */
  readonly account: string;
  readonly openKfId: string;
  readonly kind: ServiceKind;
  readonly seed: number;
  readonly customerId?: string;
  readonly sizeBytes?: number;
  readonly fault?: ResponseFault;
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

/** Adds a message to what sync_msg lists, and composes the callback that announces it. */
export function composeServiceMessage(
  simulator: Pick<MessageSource, 'mint' | 'now' | 'accountOf'> & {
    readonly customerService: Pick<CustomerService, 'receive'>;
  },
  spec: ServiceMessageSpec,
): Message {
  const { account, openKfId, kind, seed } = spec;
  const { appId: corpId } = simulator.accountOf(account);
  const media = MEDIA[kind];
  const seconds = Math.floor(simulator.now().getTime() / 1000);
  const mediaIds: string[] = [];
  const mint = (fileKind: SimulatedKind, fileSeed = seed): string => {
    const minted = simulator.mint(account, {
      kind: fileKind,
      seed: fileSeed,
      createdAt: new Date(seconds * 1000),
      ...(spec.sizeBytes !== undefined && { sizeBytes: spec.sizeBytes }),
      ...(spec.fault && { fault: spec.fault }),
    });
    const mediaId = mediaIds.length === 0 ? (spec.mediaId ?? minted) : minted;
    mediaIds.push(mediaId);
    return mediaId;
  };
  const item = (msgtype: string, content: object) => ({
    sender_name: '张三',
    send_time: seconds - 60,
    msgtype,
    msg_content: JSON.stringify({ [msgtype]: content }),
  });
  const contents: Readonly<Record<string, () => Members>> = {
    text: () => ({ content: '你好 👋' }),
    miniprogram: () => ({ title: '小程序', appid: 'wx1', pagepath: 'p', thumb_media_id: mint('thumb') }),
    // A forwarded record: a text, a picture, and inside it another record with a file and a mini program.
    merged: () => ({
      title: '群聊的聊天记录',
      item: [
        item('text', { content: '你好' }),
        item('image', { media_id: mint('image') }),
        item('merged_msg', {
          title: '聊天记录',
          item: [
            item('file', { media_id: mint('file', seed + 1) }),
            item('miniprogram', { title: '小程序', thumb_media_id: mint('thumb', seed + 2) }),
          ],
        }),
      ],
    }),
  };
  const external_userid = spec.customerId ?? 'wmSimulatedCustomer0000000000001';
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

/** Composes the ticket that WeChat pushes to a platform every ten minutes. Its account is the platform itself. */
export function composeTicket(
  simulator: Pick<MessageSource, 'now'> & { readonly components: Pick<Components, 'ticket'> },
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
