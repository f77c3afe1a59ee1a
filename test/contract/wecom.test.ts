/** WeCom from the callback to the object: app messages, and customer service read page by page. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openParts } from '../../src/assembly/parts.ts';
import { startConsumer, startFeeder, startSweeper } from '../../src/assembly/worker.ts';
import { createLifetimes, systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { idOf } from '../../src/media.ts';
import { openServer } from '../../src/server/start.ts';
import { accountsFileOf, simulatedAccounts } from '../../src/simulator/account.ts';
import { createCallbacks } from '../../src/simulator/callbacks.ts';
import { composeMessage, type Message } from '../../src/simulator/messages.ts';
import { openSimulator } from '../../src/simulator/server.ts';
import { composeServiceMessage } from '../../src/simulator/service-messages.ts';
import { databaseTemplate } from '../embedded/open.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const NEVER = new AbortController().signal;
const LIFE = { mediaLifetimeMs: 72 * 3_600_000, timeScale: 60 };

async function setup(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'wma-wecom-'));
  await cp(await databaseTemplate(), join(folder, 'data', 'database'), { recursive: true });
  const accounts = simulatedAccounts(4).filter(({ product }) => product === 'wecom');
  const account = accounts[0]!;
  const simulator = await openSimulator({
    clock: systemClock,
    lifetimes: createLifetimes(LIFE),
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
      TIME_SCALE: '60',
      LOG_LEVEL: 'silent',
      WECOM_API_BASE_URL: simulator.url,
    },
    { dotEnvFolder: folder },
  );
  const listening = { ...config, http: { ...config.http, port: 0 } };
  const parts = await openParts(listening, { program: 'test' });
  const feeder = startFeeder(parts);
  await startConsumer(parts, { ...config.wechat, allowHosts: [] }, feeder);
  startSweeper(parts, feeder);
  const { url } = await openServer(parts, { keys: [] });
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
    ledger: simulator.ledger,
  });
  return { account, simulator, parts, callbacks };
}

type Bundle = Awaited<ReturnType<typeof setup>>;

/** Waits until the media are archived, and compares each with what the simulator served. */
async function assertArchived({ account, simulator, parts }: Bundle, mediaIds: readonly string[]) {
  for (const mediaId of mediaIds) {
    const id = idOf(account.account, mediaId);
    let row = await parts.catalogue.get(id);
    for (let looks = 0; looks < 300 && row?.status !== 'archived'; looks++) {
      await systemClock.sleep(100);
      row = await parts.catalogue.get(id);
    }
    assert.equal(row?.status, 'archived', `${row?.kind} ${JSON.stringify(row?.failure)}`);
    const expected = await simulator.digestOf(account.account, mediaId);
    assert.equal(row?.sha256, expected?.sha256);
  }
}

describe('WeCom', () => {
  it('archives what users send to an app and to customer service, files included', async (t) => {
    const bundle = await setup(t);
    const { account, simulator, callbacks, parts } = bundle;
    assert.equal(await callbacks.sendHandshake(NEVER), true, 'the echostr comes back decrypted');

    const sent: Message[] = (['image', 'voice', 'video'] as const).map((kind, seed) =>
      composeMessage(simulator, { account: account.account, kind, seed, withThumb: false }),
    );
    for (const message of sent) assert.equal((await callbacks.send(message, NEVER)).accepted, true);
    await assertArchived(
      bundle,
      sent.flatMap(({ mediaIds }) => mediaIds),
    );

    const service = (['image', 'voice', 'video', 'file', 'json', 'html', 'text'] as const).map((kind, seed) =>
      composeServiceMessage(simulator, { account: account.account, openKfId: 'wk1', kind, seed: 100 + seed }),
    );
    // One callback speaks for all of them; its repeat finds nothing new.
    assert.equal((await callbacks.send(service.at(-1)!, NEVER, { twice: true })).accepted, true);
    const mediaIds = service.flatMap((message) => message.mediaIds);
    assert.equal(mediaIds.length, 6);
    await assertArchived(bundle, mediaIds);
    const { byStatus } = await parts.catalogue.stats(new Date());
    assert.equal(byStatus.archived, 9);
    assert.equal(
      await parts.catalogue.kfSyncs.take(new Date(), new Date()),
      undefined,
      'nothing is left to read',
    );
  });
});
