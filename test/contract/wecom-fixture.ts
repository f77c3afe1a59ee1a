/** The program with everything embedded, and a simulated WeCom beside it. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openAppContext } from '../../src/app/app-context.ts';
import { startConsumer, startDispatcher, startSweeper } from '../../src/app/worker.ts';
import { type ApiKey, parseApiKeys } from '../../src/config/api-keys.ts';
import { loadConfig } from '../../src/config/config.ts';
import { idOf } from '../../src/media.ts';
import { createLifetimes, systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { openServer } from '../../src/server/start.ts';
import { accountsFileOf, simulatedAccounts } from '../../src/simulator/account.ts';
import { createCallbacks } from '../../src/simulator/callbacks/callbacks.ts';
import { openSimulator } from '../../src/simulator/server.ts';
import { databaseTemplate } from '../embedded/database/open.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const KEY = 'admin-secret-0123456789';

export async function openWecomFixture(t: TestContext, timeScale = 60) {
  const life = { mediaLifetimeMs: 72 * 3_600_000, timeScale };
  const folder = await mkdtemp(join(tmpdir(), 'wma-wecom-'));
  await cp(await databaseTemplate(), join(folder, 'data', 'database'), { recursive: true });
  const accounts = simulatedAccounts(4).filter(({ product }) => product === 'wecom');
  const account = accounts[0]!;
  const simulator = await openSimulator({
    clock: systemClock,
    lifetimes: createLifetimes(life),
    accounts,
    log,
  });
  await writeFile(join(folder, 'accounts.json'), accountsFileOf(accounts));
  const config = loadConfig(
    {
      DATA_DIR: join(folder, 'data'),
      ACCOUNTS_FILE: join(folder, 'accounts.json'),
      ALLOW_EMBEDDED: '1',
      PORT: '18080',
      TIME_SCALE: String(timeScale),
      LOG_LEVEL: 'silent',
      WECOM_API_BASE_URL: simulator.url,
    },
    { dotEnvFolder: folder },
  );
  const listening = { ...config, http: { ...config.http, port: 0 } };
  const parts = await openAppContext(listening, { program: 'test' });
  const dispatcher = startDispatcher(parts);
  await startConsumer(parts, { ...config.wechat, allowHosts: [] }, dispatcher);
  startSweeper(parts, dispatcher);
  const { value: keys } = parseApiKeys(`admin:${KEY}`) as { value: readonly ApiKey[] };
  const { url } = await openServer(parts, { keys });
  t.after(async () => {
    await parts.shutdown.run('test over');
    await simulator.close();
    await rm(folder, { recursive: true, force: true });
  });
  const callbacks = createCallbacks({
    account,
    url: `${url}/wechat/${account.account}`,
    clock: systemClock,
    log,
    requestLog: simulator.requestLog,
  });
  const call = async <T>(path: string, method = 'GET'): Promise<T> => {
    const response = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${KEY}` } });
    return (response.headers.get('content-type')?.includes('json') ? response.json() : response.text()) as T;
  };
  return { account, simulator, parts, callbacks, call };
}

export type WecomFixture = Awaited<ReturnType<typeof openWecomFixture>>;

/** Waits until the items are archived, and compares each with what the simulator served. */
export async function assertArchived(
  { account, simulator, parts }: WecomFixture,
  mediaIds: readonly string[],
) {
  for (const mediaId of mediaIds) {
    const id = idOf(account.account, mediaId);
    let row = await parts.catalogue.media.get(id);
    for (let looks = 0; looks < 300 && row?.status !== 'archived'; looks++) {
      await systemClock.sleep(100);
      row = await parts.catalogue.media.get(id);
    }
    assert.equal(row?.status, 'archived', `${row?.kind} ${JSON.stringify(row?.failure)}`);
    const expected = await simulator.digestOf(account.account, mediaId);
    assert.equal(row?.sha256, expected?.sha256);
  }
}
