/** Words that many pages use. Texts about failures come from the API in the language of the page. */
import type { Texts } from '../core/locale.ts';

const en = {
  status: {
    pending: 'Pending',
    archived: 'Archived',
    dead: 'Dead',
    expired: 'Expired',
    erased: 'Erased',
  },
  kind: {
    image: 'Picture',
    voice: 'Voice',
    video: 'Video',
    shortvideo: 'Short video',
    thumb: 'Cover',
    file: 'File',
  },
  waiting: {
    queued: 'queued',
    running: 'downloading',
    retry: 'waiting for a retry',
    accountHeld: 'account held',
    storeHeld: 'storage held',
  },
  /** Before the time at which WeChat deletes the file of a pending item. */
  expires: 'expires',
  account: 'Account',
  all: 'All',
  any: 'any',
  copy: 'Copy',
  copied: 'Copied',
  cancel: 'Cancel',
  reason: 'Reason',
  reasonHint: 'Kept permanently in the audit log: write no personal data.',
  newer: '← Newer',
  older: 'Older →',
  pages: 'Pages of the list',
};

export type Words = typeof en;

const zh: Words = {
  status: {
    pending: '待处理',
    archived: '已归档',
    dead: '死信',
    expired: '已过期',
    erased: '已擦除',
  },
  kind: {
    image: '图片',
    voice: '语音',
    video: '视频',
    shortvideo: '小视频',
    thumb: '封面',
    file: '文件',
  },
  waiting: {
    queued: '排队中',
    running: '下载中',
    retry: '等待重试',
    accountHeld: '账号暂停',
    storeHeld: '存储暂停',
  },
  expires: '过期时间',
  account: '账号',
  all: '全部',
  any: '不限',
  copy: '复制',
  copied: '已复制',
  cancel: '取消',
  reason: '原因',
  reasonHint: '会永久保存在审计日志中，请勿填写个人数据。',
  newer: '← 较新',
  older: '较旧 →',
  pages: '列表分页',
};

export const WORDS: Texts<Words> = { en, zh };
