/** The database goes away under load, by refusing and by hanging: every callback succeeds and becomes one row. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openAppContext } from '../../src/app/app-context.ts';
import { startDispatcher } from '../../src/app/worker.ts';
import { parseApiKeys } from '../../src/config/api-keys.ts';
import { loadConfig } from '../../src/config/config.ts';
import { idOf } from '../../src/media.ts';
import { openServer } from '../../src/server/start.ts';
import { signatureOf } from '../../src/simulator/callbacks/envelope.ts';
import { missing, postgresForTest } from '../machine/services.ts';
import { PLAIN } from '../server/setup.ts';
import { until } from './shapes.ts';
import { openTcpProxy } from './tcp-proxy.ts';

const SECRET = 'write-secret-0123456789';
/** WeChat cuts the connection then. */
const WECHAT_MS = 5_000;

async function setup(t: TestContext) {
  const database = new URL((await postgresForTest(t))!);
  const gate = await openTcpProxy({ host: database.hostname, port: Number(database.port) });
  const folder = await mkdtemp(join(tmpdir(), 'wma-outage-'));
  database.port = String(gate.port);
  const loaded = loadConfig(
    {
      DATA_DIR: folder,
      DATABASE_URL: database.href,
      WECHAT_APP_ID: PLAIN.appId,
      WECHAT_APP_SECRET: '0123456789abcdef0123456789abcdef',
      WECHAT_TOKEN: PLAIN.token,
      ALLOW_EMBEDDED: '1',
    },
    { dotEnvFolder: folder },
  );
  const config = { ...loaded, http: { ...loaded.http, port: 0 } };
  const parts = await openAppContext(config, {
    program: 'test',
    whenUnavailable: 'later',
    simulatedAccounts: [PLAIN],
    writeLog: () => undefined,
  });
  startDispatcher(parts);
  const keys = parseApiKeys(`write:${SECRET}`);
  assert.ok('value' in keys);
  const { url } = await openServer(parts, { keys: keys.value });
  t.after(async () => {
    await parts.shutdown.run('test over');
    await gate.close();
    await rm(folder, { recursive: true, force: true });
  });

  let serial = 0;
  async function callback() {
    const mediaId = `media-${serial++}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = signatureOf(PLAIN.token, timestamp, '42');
    const body = `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>${serial}</MsgId><MediaId>${mediaId}</MediaId></xml>`;
    const startedAtMs = performance.now();
    const query = new URLSearchParams({ signature, timestamp, nonce: '42' });
    const answer = await fetch(`${url}/wechat/${PLAIN.account}?${query}`, { method: 'POST', body });
    const text = await answer.text();
    return { mediaId, text, tookMs: performance.now() - startedAtMs };
  }
  const api = (path: string, json?: unknown) =>
    fetch(url + path, {
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      ...(json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) }),
    });
  const spooled = async () => {
    const body = (await (await fetch(`${url}/readyz`)).json()) as { spool: { records: number } };
    return body.spool.records;
  };
  return { gate, parts, folder, url, callback, api, spooled };
}

describe('an outage of the database', { skip: missing.postgres }, () => {
  it('that refuses, then one that hangs: no callback is refused or late, and each is one row', async (t) => {
    const { gate, parts, folder, callback, api, spooled } = await setup(t);
    const answers: Awaited<ReturnType<typeof callback>>[] = [];
    let isOver = false;
    const sendOneByOne = async () => {
      while (!isOver) answers.push(await callback());
    };
    const senders = Promise.all(Array.from({ length: 4 }, sendOneByOne));
    const more = async (count: number) => {
      const goal = answers.length + count;
      await until(`${count} more answers`, async () => answers.length >= goal);
    };
    const drained = () => until('the spool is empty', async () => (await spooled()) === 0);

    await more(50);
    for (const fail of [gate.refuse, gate.hang]) {
      fail();
      await until('callbacks go into the spool', async () => (await spooled()) > 0);
      await more(200);
      const list = await until('reads say so', async () => {
        const answer = await api('/v1/media');
        return answer.status === 503 && answer;
      });
      assert.equal(((await list.json()) as { code: string }).code, 'database_away');
      assert.ok(list.headers.get('retry-after'));
      const posted = await api('/v1/media', { account: PLAIN.account, mediaId: fail.name, kind: 'voice' });
      assert.equal(posted.status, 202);
      assert.equal(((await posted.json()) as { spooled?: true }).spooled, true);
      gate.open();
      await more(50);
      await drained();
      assert.equal((await api(posted.headers.get('location')!)).status, 200);
    }
    isOver = true;
    await senders;
    await drained();

    assert.deepEqual(
      answers.filter(({ text, tookMs }) => text !== 'success' || tookMs > WECHAT_MS),
      [],
    );
    const rows = await parts.database.query<{ id: string }>('SELECT id FROM wma.media');
    const expected = [...answers.map(({ mediaId }) => mediaId), gate.refuse.name, gate.hang.name];
    assert.deepEqual(
      rows.map(({ id }) => id).sort(),
      expected.map((mediaId) => idOf(PLAIN.account, mediaId)).sort(),
    );
    assert.deepEqual(
      (await readdir(join(folder, 'spool', '1'))).filter((name) => name.endsWith('.log')),
      [],
    );
  });
});
