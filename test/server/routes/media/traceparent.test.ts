/** The trace of an item, from the header or the field of a request; and the spans of requests. */
import assert from 'node:assert/strict';
import { after, before, describe, it, test } from 'node:test';
import { openOtlpReceiver } from '../../../runtime/tracing/otlp-receiver.ts';
import { type Call, openTestServer, PLAIN, reference, type TestServer } from '../../setup.ts';

type Json = Record<string, unknown>;
const HEADER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const FIELD = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

describe('without traces', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const add = async (json: unknown, traceparent?: string, status = 202) => {
    const headers = traceparent === undefined ? {} : { headers: { traceparent } };
    return await s.json<Json>('/v1/media', { key: 'write', json, ...headers }, status);
  };
  const rowOf = async (id: unknown) => await s.json<Json>(`/v1/media/${id}`, { key: 'read' });

  it('keeps the header of the request in the row', async () => {
    const { id, traceparent } = await add(reference(), HEADER);
    assert.equal(traceparent, HEADER);
    assert.equal((await rowOf(id)).traceparent, HEADER);
  });

  it('prefers the field of the reference, and keeps the first trace of an item', async () => {
    const one = reference({ traceparent: FIELD });
    assert.equal((await add(one, HEADER)).traceparent, FIELD);
    assert.equal((await add({ ...one, traceparent: HEADER }, HEADER, 200)).traceparent, FIELD);
    const without = reference();
    assert.equal((await add(without)).traceparent, undefined);
    assert.equal((await add(without, HEADER, 200)).traceparent, HEADER);
  });

  it('refuses a field that is not valid and names it, and ignores such a header', async () => {
    const invalid = reference({ traceparent: FIELD.toUpperCase() });
    const problem = await add(invalid, HEADER, 400);
    assert.deepEqual(
      (problem.errors as { field: string }[]).map(({ field }) => field),
      ['traceparent'],
    );
    assert.equal((await add(reference(), `${HEADER}-x`)).traceparent, undefined);
  });

  it('gives the header to each item of a batch without a trace of its own, and refuses one alone', async () => {
    const items = [reference(), reference({ traceparent: FIELD }), reference({ traceparent: 'x' })];
    const call: Call = { key: 'write', json: { items }, headers: { traceparent: HEADER } };
    const { results } = await s.json<{ results: Json[] }>('/v1/media/batch', call, 202);
    assert.equal((await rowOf(results[0]!.id)).traceparent, HEADER);
    assert.equal((await rowOf(results[1]!.id)).traceparent, FIELD);
    assert.ok(results[2]!.problem);
  });

  it('erases the trace with the item', async () => {
    const { id } = await add(reference(), HEADER);
    await s.json(`/v1/media/${id}`, { method: 'DELETE', key: 'admin' });
    const row = await rowOf(id);
    assert.equal(row.status, 'erased');
    assert.equal(row.traceparent, undefined);
  });
});

test('with traces accepted requests have spans, refused and unrelated ones have none', async (t) => {
  const receiver = await openOtlpReceiver(t);
  const s = await openTestServer({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } });
  t.after(() => s.close());
  const rows = async () => (await s.json<{ items: Json[] }>('/v1/media?limit=200', { key: 'read' })).items;
  const xml = `<xml><ToUserName>gh_1</ToUserName><FromUserName>o-of-one</FromUserName><CreateTime>1777636800</CreateTime><MsgType>image</MsgType><MediaId>by-callback</MediaId><MsgId>1</MsgId></xml>`;
  assert.equal((await s.callback(xml)).status, 200);
  assert.equal((await s.callback(xml, { token: 'wrong' })).status, 403);
  const byCallback = (await rows()).find(({ mediaId }) => mediaId === 'by-callback')!;
  const json = reference();
  const headers = { traceparent: HEADER };
  const { id } = await s.json<Json>('/v1/media', { key: 'write', json, headers }, 202);
  assert.equal((await s.call('/v1/media', { json, headers })).status, 401);
  await s.json(`/v1/media/${id}?include=attemptLog`, { key: 'read', headers });
  const spans = await receiver.until('three spans', ({ length }) => length >= 3);
  assert.deepEqual(
    spans.map(({ name, kind, parentId }) => [name, kind, parentId]),
    [
      ['POST /wechat/:account', 'server', ''],
      ['POST /v1/media', 'server', '00f067aa0ba902b7'],
      ['GET /v1/media/:id', 'server', '00f067aa0ba902b7'],
    ],
  );
  const [callback, , get] = spans;
  assert.equal(byCallback.traceparent, `00-${callback!.traceId}-${callback!.spanId}-01`);
  assert.equal(get!.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.deepEqual(callback!.attributes, {
    'http.request.method': 'POST',
    'http.route': '/wechat/:account',
    'url.scheme': 'http',
    'url.path': `/wechat/${PLAIN.account}`,
    'http.response.status_code': 200,
  });
  assert.equal(get!.attributes['url.path'], `/v1/media/${id}`);
});
