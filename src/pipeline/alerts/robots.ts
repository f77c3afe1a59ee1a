/**
 * The receivers of alerts, recognised by the host of ALERT_URL: the message format of each chat robot, and the meaning
 * of its responses. Robots respond with HTTP 200 to a refused message, and with a code in the body.
 */
import { createHmac } from 'node:crypto';
import { type Alert, KEYWORD, renderText } from './message.ts';

export type RobotName = 'wecom' | 'dingtalk' | 'feishu' | 'lark' | 'json';

/** `canRetry`: the same message may be accepted when it is sent again. */
export type SendResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string; readonly canRetry: boolean };

export interface Robot {
  readonly name: RobotName;
  /** Returns one message for all alerts where the robot limits messages; else one for each. */
  requests(alerts: readonly Alert[], now: Date): { url: string; body: object }[];
  parseResponse(status: number, body: string): SendResult;
}

type Code = number | undefined;

/** Returns the code and the message of a robot's response. The code is undefined where the body is no such response. */
function codeOf(
  body: string,
  name: 'errcode' | 'code',
  message: 'errmsg' | 'msg',
): { code: Code; text: string } {
  try {
    const parsed = Object(JSON.parse(body)) as Record<string, unknown>;
    const code = parsed[name];
    const text = parsed[message];
    return {
      code: typeof code === 'number' ? code : undefined,
      text: typeof text === 'string' ? text.slice(0, 200) : '',
    };
  } catch {
    return { code: undefined, text: '' };
  }
}

function parseHttpStatus(status: number): SendResult {
  if (status >= 200 && status < 300) return { ok: true };
  const why = status >= 300 && status < 400 ? `HTTP ${status}: redirects are not followed` : `HTTP ${status}`;
  return { ok: false, why, canRetry: status >= 500 || status === 408 };
}

/** A refusal is not retried at once: the key is wrong, or a rate limit is exceeded, and retries make that worse. */
function parseRobotCode(status: number, { code, text }: { code: Code; text: string }): SendResult {
  if (code === 0) return { ok: true };
  if (code !== undefined) return { ok: false, why: `${code} ${text}`.trim(), canRetry: false };
  const http = parseHttpStatus(status);
  return http.ok ? { ok: false, why: 'the response is not that of a robot', canRetry: false } : http;
}

/** Splits off the secret of a robot with signatures: it follows the address after a #, which is never sent. */
function splitSecret(url: string): { url: string; secret: string | undefined } {
  const [address = '', secret] = url.split('#', 2);
  return { url: address, secret: secret || undefined };
}

/** https://developer.work.weixin.qq.com/document/path/91770: 4,096 bytes of markdown, 20 messages a minute. */
const wecom = (url: string): Robot => ({
  name: 'wecom',
  requests: (alerts) => {
    const content = renderText(alerts, { language: 'zh', limitBytes: 4_096 });
    return [{ url: splitSecret(url).url, body: { msgtype: 'markdown', markdown: { content } } }];
  },
  parseResponse: (status, body) => parseRobotCode(status, codeOf(body, 'errcode', 'errmsg')),
});

/**
 * https://open.dingtalk.com/document/robots/custom-robot-access: 20,000 bytes, 20 messages a minute, else none for
 * ten minutes (130101). 310000: keyword, signature or sender address do not match its settings.
 */
const dingtalk = (addressWithSecret: string): Robot => {
  const { url, secret } = splitSecret(addressWithSecret);
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
    parseResponse: (status, body) => parseRobotCode(status, codeOf(body, 'errcode', 'errmsg')),
  };
};

/**
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: 20 KB, 100 messages a minute, 5 a second. Its
 * texts have no markdown. 19021: signature, 19022: address, 19024: keyword, 11232: too fast.
 */
const feishu = (addressWithSecret: string, name: 'feishu' | 'lark'): Robot => {
  const { url, secret } = splitSecret(addressWithSecret);
  return {
    name,
    requests: (alerts, now) => {
      const timestamp = String(Math.floor(now.getTime() / 1000));
      // As documented, and unlike DingTalk's: the text to sign is the key of an HMAC over an empty string.
      const sign = () => createHmac('sha256', `${timestamp}\n${secret}`).update('').digest('base64');
      const language = name === 'lark' ? 'en' : 'zh';
      const text = renderText(alerts, { language, limitBytes: 16_000, plain: true });
      const body = { msg_type: 'text', content: { text } };
      return [{ url, body: secret ? { timestamp, sign: sign(), ...body } : body }];
    },
    parseResponse: (status, body) => parseRobotCode(status, codeOf(body, 'code', 'msg')),
  };
};

const json = (url: string): Robot => ({
  name: 'json',
  requests: (alerts) => alerts.map((body) => ({ url, body })),
  parseResponse: (status) => parseHttpStatus(status),
});

/** Returns the robot at this address, or the plain JSON receiver. */
export function robotOf(url: string): Robot {
  const { hostname, pathname } = new URL(url);
  const isAt = (host: string, path: string) => hostname === host && pathname.startsWith(path);
  if (isAt('qyapi.weixin.qq.com', '/cgi-bin/webhook/send')) return wecom(url);
  if (isAt('oapi.dingtalk.com', '/robot/send')) return dingtalk(url);
  if (isAt('open.feishu.cn', '/open-apis/bot/')) return feishu(url, 'feishu');
  if (isAt('open.larksuite.com', '/open-apis/bot/')) return feishu(url, 'lark');
  return json(url);
}
