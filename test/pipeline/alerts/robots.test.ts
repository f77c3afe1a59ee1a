/** Robots that respond like the real ones, on a socket: HTTP 200 to everything, and a code in the body. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { secretsOfUrl } from '../../../src/config/values/secret-url.ts';
import { type Alert, createAlert, createTestAlert } from '../../../src/pipeline/alerts/message.ts';
import { createAlertSender } from '../../../src/pipeline/alerts/sender.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createJsonClient } from '../../../src/wechat/http/json-client.ts';
import { type CannedResponse, openReceiver } from './receiver.ts';

const KEY = '693a91f6-7c1e-4bc4-97a0-0ec2f1fa5aaa';
const SIGNING = 'SECf5e1d2c3b4a596877869504132abcdef';
const ADDRESS = {
  wecom: `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${KEY}`,
  dingtalk: `https://oapi.dingtalk.com/robot/send?access_token=${KEY}`,
  feishu: `https://open.feishu.cn/open-apis/bot/v2/hook/${KEY}`,
  lark: `https://open.larksuite.com/open-apis/bot/v2/hook/${KEY}`,
  json: `https://alerts.example.com/hooks/${KEY}?token=${KEY}`,
} as const;
type Name = keyof typeof ADDRESS;

const ACCEPTED: Record<Name, CannedResponse> = {
  wecom: { body: { errcode: 0, errmsg: 'ok' } },
  dingtalk: { body: { errcode: 0, errmsg: 'ok' } },
  feishu: {
    body: { code: 0, msg: 'success', data: {}, StatusCode: 0, StatusMessage: 'success', Extra: null },
  },
  lark: { body: { code: 0, msg: 'success', data: {} } },
  json: { status: 204 },
};

const naming = { nameOf: (account: string) => `shop (${account})`, publicUrl: 'https://media.example.com' };
const since = new Date('2026-03-01T08:00:00Z');
const held = (account: string): Alert =>
  createAlert(
    {
      code: 'account_held',
      target: account,
      since,
      count: 1,
      detail: { code: 'ip_not_allowed', errcode: 40164 },
    },
    naming,
  );

/** A sender with the real address whose requests go to a server of the test. */
async function setup(
  t: TestContext,
  name: Name,
  options: { responses?: CannedResponse[]; secret?: string } = {},
) {
  const receiver = await openReceiver(t, options.responses ?? [ACCEPTED[name]]);
  const lines: string[] = [];
  const http = createJsonClient({ timeoutMs: 2_000 });
  t.after(() => http.close());
  const url = ADDRESS[name] + (options.secret ? `#${options.secret}` : '');
  const secrets = secretsOfUrl(url);
  const metrics = createMetrics();
  const sleeps: number[] = [];
  const sender = createAlertSender(
    {
      http: {
        send: (request, signal) => {
          const { pathname, search } = new URL(request.url);
          return http.send({ ...request, url: receiver.url + pathname + search }, signal);
        },
      },
      clock: { now: () => since, sleep: async (ms) => void sleeps.push(ms) },
      log: createLog({ level: 'debug', program: 'test', secrets, write: (line) => void lines.push(line) }),
      metrics,
    },
    { url, secrets },
  );
  const send = (alerts: readonly Alert[]) => sender.send(alerts, AbortSignal.timeout(20_000));
  return { send, receiver, lines, metrics, sleeps };
}

describe('the message format', () => {
  test('WeCom gets markdown, at the address with its key', async (t) => {
    const { send, receiver } = await setup(t, 'wecom');
    assert.deepEqual(await send([held('wx1')]), { sent: true, sentCount: 1, to: 'wecom' });
    const [{ path, body }] = receiver.requests as [{ path: string; body: { markdown: { content: string } } }];
    assert.equal(path, `/cgi-bin/webhook/send?key=${KEY}`);
    assert.deepEqual(Object.keys(body), ['msgtype', 'markdown']);
    assert.match(body.markdown.content, /wechat-media-archiver/);
    assert.match(body.markdown.content, /账号 shop \(wx1\) 已暂停归档/);
    assert.match(body.markdown.content, /https:\/\/media\.example\.com\/$/);
  });

  test('DingTalk gets markdown with a title', async (t) => {
    const { send, receiver } = await setup(t, 'dingtalk');
    await send([held('wx1')]);
    const [{ path, body }] = receiver.requests as [{ path: string; body: Record<string, unknown> }];
    assert.equal(path, `/robot/send?access_token=${KEY}`);
    assert.equal(body.msgtype, 'markdown');
    const { title, text } = body.markdown as { title: string; text: string };
    assert.equal(title, 'wechat-media-archiver');
    assert.match(text, /\*\*告警\*\* 账号 shop/);
  });

  test('DingTalk with a signing secret gets timestamp and sign in the address, and never the secret', async (t) => {
    const { send, receiver } = await setup(t, 'dingtalk', { secret: SIGNING });
    await send([held('wx1')]);
    const { searchParams } = new URL(receiver.requests[0]!.path, 'http://x');
    const timestamp = String(since.getTime());
    assert.equal(searchParams.get('timestamp'), timestamp);
    const sign = createHmac('sha256', SIGNING).update(`${timestamp}\n${SIGNING}`).digest('base64');
    assert.equal(searchParams.get('sign'), sign);
    assert.doesNotMatch(JSON.stringify(receiver.requests), new RegExp(SIGNING));
  });

  test('Feishu gets text without markup, signed in its body', async (t) => {
    const { send, receiver } = await setup(t, 'feishu', { secret: SIGNING });
    await send([held('wx1')]);
    const body = receiver.requests[0]!.body as Record<string, unknown>;
    assert.equal(body.msg_type, 'text');
    const timestamp = String(since.getTime() / 1000);
    assert.equal(body.timestamp, timestamp);
    assert.equal(body.sign, createHmac('sha256', `${timestamp}\n${SIGNING}`).update('').digest('base64'));
    const { text } = body.content as { text: string };
    assert.match(text, /^wechat-media-archiver\n\n告警 账号/);
    assert.doesNotMatch(text, /\*\*|^> /m);
  });

  test('Lark gets the same in English, unsigned without a secret', async (t) => {
    const { send, receiver } = await setup(t, 'lark');
    await send([held('wx1')]);
    const body = receiver.requests[0]!.body as Record<string, unknown>;
    assert.deepEqual(Object.keys(body), ['msg_type', 'content']);
    assert.match((body.content as { text: string }).text, /Alert Account shop \(wx1\) is held/);
  });

  test('any other address gets one JSON document for each alert', async (t) => {
    const { send, receiver } = await setup(t, 'json');
    const ended = createAlert(
      { code: 'at_risk', target: '', since, count: 3, detail: { nearestSeconds: 60 }, endedAt: since },
      { ...naming, publicUrl: undefined },
    );
    await send([held('wx1'), ended]);
    const [first, second] = receiver.requests.map(({ body }) => body as Record<string, unknown>);
    const { sentence, advice, zh, ...rest } = first!;
    assert.deepEqual(rest, {
      version: 1,
      service: 'wechat-media-archiver',
      kind: 'account_held',
      state: 'begun',
      account: 'wx1',
      since: '2026-03-01T08:00:00.000Z',
      count: 1,
      link: 'https://media.example.com/',
    });
    for (const text of [sentence, advice, ...Object.values(zh as object)]) assert.ok(String(text).length > 5);
    assert.deepEqual(
      [second!.state, second!.until, 'link' in second!, 'account' in second!],
      ['ended', '2026-03-01T08:00:00.000Z', false, false],
    );
  });
});

describe('a refusal inside HTTP 200', () => {
  for (const [name, body, expected] of [
    ['wecom', { errcode: 93000, errmsg: 'invalid webhook url' }, /93000 invalid webhook url/],
    ['wecom', { errcode: 45009, errmsg: 'api freq out of limit' }, /45009/],
    ['dingtalk', { errcode: 310000, errmsg: 'keywords not in content' }, /310000 keywords/],
    ['dingtalk', { errcode: 130101, errmsg: 'send too fast, exceed 20 times per minute' }, /130101/],
    [
      'feishu',
      { code: 19021, msg: 'sign match fail or timestamp is not within one hour' },
      /19021 sign match/,
    ],
    ['lark', { code: 19024, msg: 'Key Words Not Found', data: {} }, /19024/],
  ] as const) {
    test(`is a failure without a retry for ${name}: ${JSON.stringify(body)}`, async (t) => {
      const { send, receiver, metrics } = await setup(t, name, { responses: [{ body }] });
      const delivery = await send([held('wx1')]);
      assert.deepEqual([delivery.sent, delivery.sentCount], [false, 0]);
      assert.match(delivery.why!, expected);
      // Once, because a retry makes an exceeded rate limit worse.
      assert.equal(receiver.requests.length, 1);
      assert.match(await metrics.registry.metrics(), /wma_alerts_total\{outcome="failed"\} 1/);
    });
  }

  test('a page that is not the response of a robot is a failure', async (t) => {
    const { send } = await setup(t, 'wecom', { responses: [{ text: '<html>welcome</html>' }] });
    assert.match((await send([held('wx1')])).why!, /not that of a robot/);
  });

  test('a redirect is not followed', async (t) => {
    const { send, receiver } = await setup(t, 'json', {
      responses: [{ status: 302, headers: { location: '/elsewhere' } }, ACCEPTED.json],
    });
    assert.match((await send([held('wx1')])).why!, /redirects are not followed/);
    assert.equal(receiver.requests.length, 1);
  });
});

test('an address that fails is tried three times with pauses, and what was accepted before is counted', async (t) => {
  const { send, receiver, sleeps } = await setup(t, 'json', {
    responses: [ACCEPTED.json, { status: 500 }, { cut: true }, { status: 503 }],
  });
  const delivery = await send([held('wx1'), held('wx2'), held('wx3')]);
  assert.deepEqual([delivery.sent, delivery.sentCount, delivery.why], [false, 1, 'HTTP 503']);
  assert.equal(receiver.requests.length, 4);
  assert.equal(sleeps.length, 2);
});

test('many alerts are one message of a robot within its length, and two messages keep a gap', async (t) => {
  const { send, receiver, sleeps } = await setup(t, 'wecom');
  await send(Array.from({ length: 60 }, (_, index) => held(`wx${index}`)));
  await send([held('wx1')]);
  assert.equal(receiver.requests.length, 2);
  const { content } = (receiver.requests[0]!.body as { markdown: { content: string } }).markdown;
  assert.ok(Buffer.byteLength(content) <= 4_096);
  assert.match(content, /另有 \d+ 条/);
  assert.ok(sleeps.at(-1)! > 3_000);
});

test('key, token and signing secret are in no log line and no result, even where the robot repeats them', async (t) => {
  for (const name of Object.keys(ADDRESS) as Name[]) {
    const echo = { errcode: 1, code: 1, errmsg: `bad ${KEY} ${SIGNING}`, msg: `bad ${KEY} ${SIGNING}` };
    const { send, lines } = await setup(t, name, {
      responses: [{ status: 400, body: echo }],
      secret: SIGNING,
    });
    const delivery = await send([held('wx1')]);
    assert.equal(delivery.sent, false);
    assert.equal(lines.length, 1);
    assert.doesNotMatch(JSON.stringify([delivery, lines]), new RegExp(`${KEY}|${SIGNING}`));
  }
});

test('texts from outside mention no member, open no link and contain no secret', () => {
  const detail = {
    code: 'held_by_hand',
    by: 'eve',
    reason: '<@all> [x](http://evil) token=abcdef0123456789',
  };
  const alert = createAlert({ code: 'account_held', target: 'wx1', since, count: 1, detail }, naming);
  assert.doesNotMatch(JSON.stringify([alert.sentence, alert.zh]), /<@|\]\(|abcdef0123456789/);
});

test('the test alert has the state test', () => {
  assert.equal(createTestAlert(since, undefined).state, 'test');
});
