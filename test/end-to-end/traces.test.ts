/** Traces of the whole service, as a receiver of OTLP sees them; and that nothing of them is there without a receiver. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { idOf } from '../../src/media.ts';
import { createProducer } from '../../src/producer/producer.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { freePort } from '../machine/server.ts';
import { openOtlpReceiver, type ReceivedSpan } from '../runtime/tracing/otlp-receiver.ts';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';
import { setupProcesses } from './separate-processes.ts';
import { setup } from './wechat.ts';

const LONG = { timeout: 240_000 };
const MAIN = 'src/main.ts';
const OPEN_ID = 'oSomeone_of-the-traces_28chr';
const RECEIVER_SECRET = 'secret-of-the-receiver';
const CALLER = { traceId: 'aaaabbbbccccddddeeeeffff00001111', spanId: '00f067aa0ba902b7' };
const traceparentOf = (traceId: string) => `00-${traceId}-${CALLER.spanId}-01`;
const traceIdOf = (traceparent = '') => traceparent.split('-')[1] ?? '';

const ATTEMPT = 'attempt wma-archive';
const DISPATCH = 'dispatch wma-archive';
const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);
const ofTrace = (spans: readonly ReceivedSpan[], traceId: string) =>
  spans.filter((span) => span.traceId === traceId);

/** A line for each span of the trace, indented below its parent, in the order in which they began. */
function treeOf(spans: readonly ReceivedSpan[], parentId = '', depth = 0): string[] {
  return spans
    .filter((span) => span.parentId === parentId)
    .sort((a, b) => a.startedAtMs - b.startedAtMs)
    .flatMap((span) => [`${'  '.repeat(depth)}${span.name}`, ...treeOf(spans, span.spanId, depth + 1)]);
}

test('from every way in, all attempts of an item are one trace, which holds no secret', LONG, async (t) => {
  const receiver = await openOtlpReceiver(t);
  const service = await setupProcesses(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${RECEIVER_SECRET}`,
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
  });
  if (!service) return;
  const { start, url, send, row, key, account, env, mintPicture, untilArchived } = service;
  const program = start(MAIN);
  await untilReady(url);
  const untilUploaded = (traceId: string) =>
    receiver.until(`the attempt of ${traceId}`, (spans) =>
      named(ofTrace(spans, traceId), ATTEMPT).some(
        ({ attributes }) => attributes['wma.outcome'] === 'archived',
      ),
    );

  // A callback.
  const byCallback = (await send({ kind: 'image', openId: OPEN_ID }))!;
  await untilArchived(byCallback);
  const callbackTrace = traceIdOf((await row(byCallback)).traceparent);
  const spans = ofTrace(await untilUploaded(callbackTrace), callbackTrace);
  assert.deepEqual(treeOf(spans), [
    'POST /wechat/:account',
    `  ${DISPATCH}`,
    `    ${ATTEMPT}`,
    '      token',
    '      GET /cgi-bin/media/get',
    '      upload',
    '        PUT',
  ]);
  const kinds = Object.fromEntries(spans.map(({ name, kind }) => [name, kind]));
  assert.deepEqual(kinds, {
    'POST /wechat/:account': 'server',
    [DISPATCH]: 'producer',
    [ATTEMPT]: 'consumer',
    token: 'internal',
    'GET /cgi-bin/media/get': 'client',
    upload: 'internal',
    PUT: 'client',
  });
  const [attempt] = named(spans, ATTEMPT);
  assert.deepEqual(attempt!.links, [{ traceId: callbackTrace, spanId: attempt!.parentId }]);
  assert.equal(attempt!.attributes['wma.media.id'], byCallback);
  const lines = program
    .stderr()
    .split('\n')
    .filter((line) => line.includes(`"${byCallback}"`) && line.includes('item archived'));
  assert.equal(JSON.parse(lines[0]!).trace_id, callbackTrace);
  assert.equal(JSON.parse(lines[0]!).span_id, attempt!.spanId);

  // A failed attempt and its repeat, after a refusal that quotes the token.
  const failing = (await send({ kind: 'voice', openId: OPEN_ID, fault: { name: 'systemBusy', times: 1 } }))!;
  await untilArchived(failing);
  const failingTrace = traceIdOf((await row(failing)).traceparent);
  const attempts = named(ofTrace(await untilUploaded(failingTrace), failingTrace), ATTEMPT);
  assert.deepEqual(
    attempts.map(({ isError, attributes }) => [isError, attributes['wma.errcode']]),
    [
      [true, -1],
      [false, undefined],
    ],
  );
  const refused = (await send({
    kind: 'image',
    openId: OPEN_ID,
    fault: { name: 'tokenRefused', times: 1 },
  }))!;
  await untilArchived(refused);
  await untilUploaded(traceIdOf((await row(refused)).traceparent));

  // The header of an API request.
  const byHeader = mintPicture();
  const response = await fetch(`${url}/v1/media`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      traceparent: traceparentOf(CALLER.traceId),
    },
    body: JSON.stringify({ account: account.account, mediaId: byHeader, kind: 'image', openId: OPEN_ID }),
  });
  assert.equal(response.status, 202);
  const ofCaller = ofTrace(await untilUploaded(CALLER.traceId), CALLER.traceId);
  assert.deepEqual(treeOf(ofCaller, CALLER.spanId).slice(0, 3), ['POST /v1/media', DISPATCH, `  ${ATTEMPT}`]);

  // The producer package, which writes the row itself.
  const producerTrace = CALLER.traceId.replace('aaaa', '1111');
  const producer = createProducer({ account: account.account, databaseUrl: env.DATABASE_URL });
  t.after(() => producer.close());
  const traceparent = traceparentOf(producerTrace);
  await producer.archive({ mediaId: mintPicture(), kind: 'image', openId: OPEN_ID }, { traceparent });
  const ofProducer = ofTrace(await untilUploaded(producerTrace), producerTrace);
  assert.deepEqual(treeOf(ofProducer, CALLER.spanId).slice(0, 2), [DISPATCH, `  ${ATTEMPT}`]);

  // Jobs of a foreign producer: with a trace, and with one that is invalid, which counts as none.
  const jobTrace = CALLER.traceId.replace('aaaa', '2222');
  const queue = await openArchiveQueue(
    { kind: 'redis', url: env.REDIS_URL, prefix: env.QUEUE_PREFIX },
    { log: createLog({ level: 'silent', program: 'test', secrets: [] }) },
  );
  t.after(() => queue.close());
  const addJob = async (traceparent: string) => {
    const reference = {
      account: account.account,
      mediaId: mintPicture(),
      kind: 'image',
      traceparent,
    } as const;
    const id = idOf(reference.account, reference.mediaId);
    await queue.add([{ id, generation: undefined, reference: { ...reference, sentAt: new Date() } }]);
    return id;
  };
  await addJob(traceparentOf(jobTrace));
  const ofJob = ofTrace(await untilUploaded(jobTrace), jobTrace);
  assert.deepEqual(treeOf(ofJob, CALLER.spanId).slice(0, 2), [DISPATCH, `  ${ATTEMPT}`]);
  const withoutTrace = await addJob('not-a-trace');
  const ownTrace = withoutTrace.slice('m_'.length);
  assert.deepEqual(treeOf(ofTrace(await untilUploaded(ownTrace), ownTrace)).slice(0, 2), [
    DISPATCH,
    `  ${ATTEMPT}`,
  ]);
  assert.equal((await row(withoutTrace)).traceparent, undefined);

  assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
  assert.equal(receiver.requests[0]!.headers.authorization, `Bearer ${RECEIVER_SECRET}`);
  const secrets = [
    OPEN_ID,
    RECEIVER_SECRET,
    key,
    account.secret,
    account.token,
    account.encodingAesKey!,
    env.S3_SECRET_ACCESS_KEY,
    'access_token=',
    'signature',
    'AWS4-HMAC',
    byHeader,
  ];
  const sent = receiver.requests.map(({ body }) => body.toString('latin1')).join('\n');
  assert.ok(sent.includes(ATTEMPT) && sent.includes(byCallback));
  for (const secret of secrets) assert.ok(!sent.includes(secret), secret);
  // The form of the simulator's access tokens.
  assert.doesNotMatch(sent, /9\d_[A-Za-z0-9_-]{100}/);
  assert.ok(!program.stderr().includes(RECEIVER_SECRET));
});

/** Runs `npm start` until an item is archived. Resolves with the addresses of all modules that it has loaded. */
async function loadedModules(t: TestContext, environment: Record<string, string>): Promise<string[]> {
  const folder = await folderForTest(t);
  const list = join(folder, 'modules.txt');
  const hook = join(folder, 'list-modules.mjs');
  await writeFile(
    hook,
    `import { appendFileSync } from 'node:fs';
     import { registerHooks } from 'node:module';
     registerHooks({ load(url, context, next) {
       appendFileSync(${JSON.stringify(list)}, url + '\\n');
       return next(url, context);
     } });`,
  );
  const { env, url, send, untilArchived } = await setup(t);
  const NODE_OPTIONS = `--import=${pathToFileURL(hook).href}`;
  const program = startProgram(t, { file: MAIN, folder, env: { ...env, ...environment, NODE_OPTIONS } });
  await untilReady(url);
  const id = await until('the callback is accepted', () => send({ kind: 'image' }));
  await untilArchived(id);
  assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
  assert.doesNotMatch(program.stderr(), /shutdown: step failed/);
  return (await readFile(list, 'utf8')).split('\n');
}

/** Without the API, an interface that does nothing: prom-client loads it for exemplars, which are not used here. */
const isOpenTelemetry = (url: string) => /\/node_modules\/@opentelemetry\/(?!api\/)/.test(url);

test('without an endpoint nothing of OpenTelemetry is loaded', LONG, async (t) => {
  const modules = await loadedModules(t, { OTEL_TRACES_SAMPLER: 'always_on', OTEL_SERVICE_NAME: 'x' });
  assert.ok(modules.length > 500, String(modules.length));
  assert.deepEqual(modules.filter(isOpenTelemetry), []);
});

test('the service starts, archives and ends although nothing listens at the endpoint', LONG, async (t) => {
  const OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${await freePort()}`;
  const modules = await loadedModules(t, { OTEL_EXPORTER_OTLP_ENDPOINT });
  assert.ok(modules.some(isOpenTelemetry));
});
