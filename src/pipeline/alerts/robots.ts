/**
 * Where alerts go, known by its host: the message each robot takes, and what its answer means. All of them answer
 * HTTP 200 to what they refuse and say so in a code of the body.
 */
import { createHmac } from 'node:crypto';
import { type Alert, KEYWORD, renderText } from './message.ts';

export type RobotName = 'wecom' | 'dingtalk' | 'feishu' | 'lark' | 'json';

/** `again`: it may be taken if it is sent once more. */
export type SendResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string; readonly canRetry: boolean };

export interface Robot {
  readonly name: RobotName;
  /** One message for all of them where a robot counts messages; else one for each. */
  requests(alerts: readonly Alert[], now: Date): { url: string; body: object }[];
  parseResponse(status: number, answer: string): SendResult;
}

type Code = number | undefined;

/** The code of a robot's answer and its words; code undefined: no answer of a robot. */
function codeOf(
  answer: string,
  name: 'errcode' | 'code',
  message: 'errmsg' | 'msg',
): { code: Code; words: string } {
  try {
    const parsed = Object(JSON.parse(answer)) as Record<string, unknown>;
    const code = parsed[name];
    const words = parsed[message];
    return {
      code: typeof code === 'number' ? code : undefined,
      words: typeof words === 'string' ? words.slice(0, 200) : '',
    };
  } catch {
    return { code: undefined, words: '' };
  }
}

function judgeHttp(status: number): SendResult {
  if (status >= 200 && status < 300) return { ok: true };
  const why = status >= 300 && status < 400 ? `HTTP ${status}: redirects are not followed` : `HTTP ${status}`;
  return { ok: false, why, canRetry: status >= 500 || status === 408 };
}

/** A refusal is not repeated at once: the key is wrong, or it was too fast, and then more makes it worse. */
function judgeRobot(status: number, { code, words }: { code: Code; words: string }): SendResult {
  if (code === 0) return { ok: true };
  if (code !== undefined) return { ok: false, why: `${code} ${words}`.trim(), canRetry: false };
  const http = judgeHttp(status);
  return http.ok ? { ok: false, why: 'the answer is not one of a robot', canRetry: false } : http;
}

/** The secret of a robot that wants signatures follows the address behind a #, which is never sent. */
function signed(url: string): { url: string; secret: string | undefined } {
  const [address = '', secret] = url.split('#', 2);
  return { url: address, secret: secret || undefined };
}

/** https://developer.work.weixin.qq.com/document/path/91770: 4,096 bytes of markdown, 20 messages a minute. */
const wecom = (url: string): Robot => ({
  name: 'wecom',
  requests: (alerts) => {
    const content = renderText(alerts, { language: 'zh', limitBytes: 4_096 });
    return [{ url: signed(url).url, body: { msgtype: 'markdown', markdown: { content } } }];
  },
  parseResponse: (status, answer) => judgeRobot(status, codeOf(answer, 'errcode', 'errmsg')),
});

/**
 * https://open.dingtalk.com/document/robots/custom-robot-access: 20,000 bytes, 20 messages a minute, else none for
 * ten minutes (130101). 310000: keyword, signature or address not as its settings want it.
 */
const dingtalk = (given: string): Robot => {
  const { url, secret } = signed(given);
  return {
    name: 'dingtalk',
    requests: (alerts, now) => {
      const address = new URL(url);
      if (secret) {
        const timestamp = String(now.getTime());
        const sign = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
        address.searchParams.set('timestamp', timestamp);
        address.searchParams.set('sign', sign);
      }
      const text = renderText(alerts, { language: 'zh', limitBytes: 16_000 });
      return [{ url: address.href, body: { msgtype: 'markdown', markdown: { title: KEYWORD, text } } }];
    },
    parseResponse: (status, answer) => judgeRobot(status, codeOf(answer, 'errcode', 'errmsg')),
  };
};

/**
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: 20 KB, 100 messages a minute, 5 a second. Its
 * texts know no markdown. 19021: signature, 19022: address, 19024: keyword, 11232: too fast.
 */
const feishu = (given: string, name: 'feishu' | 'lark'): Robot => {
  const { url, secret } = signed(given);
  return {
    name,
    requests: (alerts, now) => {
      const timestamp = String(Math.floor(now.getTime() / 1000));
      // The text to sign is the key, and nothing is signed with it: so it is documented, unlike DingTalk's.
      const sign = () => createHmac('sha256', `${timestamp}\n${secret}`).update('').digest('base64');
      const language = name === 'lark' ? 'en' : 'zh';
      const text = renderText(alerts, { language, limitBytes: 16_000, plain: true });
      const body = { msg_type: 'text', content: { text } };
      return [{ url, body: secret ? { timestamp, sign: sign(), ...body } : body }];
    },
    parseResponse: (status, answer) => judgeRobot(status, codeOf(answer, 'code', 'msg')),
  };
};

const json = (url: string): Robot => ({
  name: 'json',
  requests: (alerts) => alerts.map((body) => ({ url, body })),
  parseResponse: (status) => judgeHttp(status),
});

export function robotOf(url: string): Robot {
  const { hostname, pathname } = new URL(url);
  const isAt = (host: string, path: string) => hostname === host && pathname.startsWith(path);
  if (isAt('qyapi.weixin.qq.com', '/cgi-bin/webhook/send')) return wecom(url);
  if (isAt('oapi.dingtalk.com', '/robot/send')) return dingtalk(url);
  if (isAt('open.feishu.cn', '/open-apis/bot/')) return feishu(url, 'feishu');
  if (isAt('open.larksuite.com', '/open-apis/bot/')) return feishu(url, 'lark');
  return json(url);
}
