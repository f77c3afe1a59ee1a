/** An alert as it is sent: as JSON, and as a text for people in a chat. */
import { redact } from '../../runtime/redaction.ts';
import type { FindingFields } from '../checks/check.ts';
import { type CheckCode, checkOf } from '../checks/table.ts';

/** The JSON for an address that is not a chat robot; documented in docs/operations.md. Fields are added, never changed. */
export interface Alert {
  readonly version: 1;
  readonly service: typeof KEYWORD;
  readonly kind: string;
  readonly state: State;
  readonly account?: string;
  /** `host (program, pid)`. */
  readonly process?: string;
  /** RFC 3339. */
  readonly since: string;
  readonly until?: string;
  readonly count: number;
  readonly sentence: string;
  readonly advice: string;
  readonly zh: { readonly sentence: string; readonly advice: string };
  /** The dashboard; absent without PUBLIC_URL. */
  readonly link?: string;
}

export type State = 'begun' | 'continues' | 'ended' | 'test';

/** Contained in every message, for robots that require a keyword. */
export const KEYWORD = 'wechat-media-archiver';

export interface AlertNaming {
  /** Returns the account's label for people. */
  nameOf(account: string): string;
  readonly publicUrl: string | undefined;
}

export interface AlertInput extends FindingFields {
  readonly code: CheckCode;
  readonly lastSentAt?: Date | undefined;
  readonly endedAt?: Date | undefined;
}

export function createAlert(input: AlertInput, { nameOf, publicUrl }: AlertNaming): Alert {
  const check = checkOf(input.code);
  const { target, count, endedAt } = input;
  const finding = { ...input, target: sanitize(check.target === 'account' ? nameOf(target) : target) };
  const sentence = endedAt ? check.ended(finding) : check.begun(finding);
  const advice = check.advice(finding);
  return {
    version: 1,
    service: KEYWORD,
    kind: input.code,
    state: endedAt ? 'ended' : input.lastSentAt ? 'continues' : 'begun',
    ...(check.target ? { [check.target]: target } : {}),
    since: input.since.toISOString(),
    ...(endedAt ? { until: endedAt.toISOString() } : {}),
    count,
    sentence: sanitize(sentence.en),
    advice: advice.en,
    zh: { sentence: sanitize(sentence.zh), advice: advice.zh },
    ...(publicUrl ? { link: `${publicUrl}/` } : {}),
  };
}

export function createTestAlert(now: Date, publicUrl: string | undefined): Alert {
  return {
    version: 1,
    service: KEYWORD,
    kind: 'test',
    state: 'test',
    since: now.toISOString(),
    count: 1,
    sentence: 'This is a test: alerts arrive here.',
    advice: 'Nothing to do.',
    zh: { sentence: '这是一条测试消息：告警会发送到这里。', advice: '无需处理。' },
    ...(publicUrl ? { link: `${publicUrl}/` } : {}),
  };
}

/** A text from outside (a reason, a name) must not mention all members of a chat, open a link or contain a secret. */
const sanitize = (text: string): string =>
  redact(text)
    .replaceAll(/[\p{Cc}\p{Cf}<>[\]]+/gu, ' ')
    .slice(0, 400);

const STATE_LABELS = {
  begun: { en: 'Alert', zh: '告警' },
  continues: { en: 'Still', zh: '仍在持续' },
  ended: { en: 'Over', zh: '已恢复' },
  test: { en: 'Test', zh: '测试' },
} as const;

const bytesOf = (text: string) => Buffer.byteLength(text);

/**
 * Renders all alerts as one text, in the markdown that the robots have in common; `plain` omits the markup. Alerts that
 * do not fit are counted: the dashboard shows them.
 */
export function renderText(
  alerts: readonly Alert[],
  options: { language: 'en' | 'zh'; limitBytes: number; plain?: boolean },
): string {
  const { language, limitBytes, plain = false } = options;
  const [strong, quote] = plain ? ['', ''] : ['**', '> '];
  const link = alerts.find((alert) => alert.link)?.link;
  const end = link ? `\n\n${link}` : '';
  let text = `${strong}${KEYWORD}${strong}`;
  for (const [index, alert] of alerts.entries()) {
    const { sentence, advice } = language === 'zh' ? alert.zh : alert;
    const head = `${strong}${STATE_LABELS[alert.state][language]}${strong} ${sentence}`;
    const since = `${alert.since}${alert.until ? ` – ${alert.until}` : ''}`;
    const block = [head, ...(alert.until ? [] : [quote + advice]), quote + since].join('\n');
    const left = alerts.length - index;
    const more = language === 'zh' ? `\n\n… 另有 ${left} 条` : `\n\n… and ${left} more`;
    if (bytesOf(text) + bytesOf(block) + bytesOf(more) + bytesOf(end) + 2 > limitBytes)
      return text + more + end;
    text += `\n\n${block}`;
  }
  return text + end;
}
