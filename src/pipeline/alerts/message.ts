/** An incident as it is sent: as JSON, and as a text for people in a chat. */
import { redact } from '../../runtime/redaction.ts';
import type { FindingFields } from '../checks/check.ts';
import { type CheckCode, checkOf } from '../checks/table.ts';

/** What any address that is no robot is sent; documented in docs/operations.md. Fields are added, never changed. */
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

/** Every message holds it: robots that want a keyword are given this one. */
export const KEYWORD = 'wechat-media-archiver';

export interface AlertNaming {
  /** The account as people call it. */
  nameOf(account: string): string;
  readonly publicUrl: string | undefined;
}

export interface AlertInput extends FindingFields {
  readonly code: CheckCode;
  readonly lastSaidAt?: Date | undefined;
  readonly endedAt?: Date | undefined;
}

export function createAlert(incident: AlertInput, { nameOf, publicUrl }: AlertNaming): Alert {
  const check = checkOf(incident.code);
  const { target, count, endedAt } = incident;
  const said = { ...incident, target: tame(check.target === 'account' ? nameOf(target) : target) };
  const sentence = endedAt ? check.ended(said) : check.begun(said);
  const advice = check.advice(said);
  return {
    version: 1,
    service: KEYWORD,
    kind: incident.code,
    state: endedAt ? 'ended' : incident.lastSaidAt ? 'continues' : 'begun',
    ...(check.target ? { [check.target]: target } : {}),
    since: incident.since.toISOString(),
    ...(endedAt ? { until: endedAt.toISOString() } : {}),
    count,
    sentence: tame(sentence.en),
    advice: advice.en,
    zh: { sentence: tame(sentence.zh), advice: advice.zh },
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

/** Words of others (a reason, a name) must not mention everybody, open a link or carry a secret. */
const tame = (text: string): string =>
  redact(text)
    .replaceAll(/[\p{Cc}\p{Cf}<>[\]]+/gu, ' ')
    .slice(0, 400);

const STATE_WORDS = {
  begun: { en: 'Alert', zh: '告警' },
  continues: { en: 'Still', zh: '仍在持续' },
  ended: { en: 'Over', zh: '已恢复' },
  test: { en: 'Test', zh: '测试' },
} as const;

const bytesOf = (text: string) => Buffer.byteLength(text);

/**
 * One text for all of them, in the markdown that the robots have in common; `plain` leaves the marks out. What does
 * not fit is counted: the dashboard has the rest.
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
    const head = `${strong}${STATE_WORDS[alert.state][language]}${strong} ${sentence}`;
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
