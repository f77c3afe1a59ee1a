/** Programs that find no database, and one that dies while it keeps callbacks on its own disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { startPostgres } from '../machine/services.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';
import { setup } from './wechat.ts';

const LONG = { timeout: 240_000 };

interface Readiness {
  readonly status: string;
  readonly degraded: readonly string[];
  readonly spool: { readonly records: number };
}

test(
  'Postgres away: the server starts and takes callbacks, dies by kill -9, takes more; back: each is one row',
  LONG,
  async (t) => {
    const postgres = await startPostgres(t);
    if (!postgres) return;
    await postgres.stop();
    const { env: wechat, url, send, row } = await setup(t);
    const s3 = await foreignS3(t);
    const folder = await folderForTest(t);
    const env = { ...wechat, ...s3.env, ALLOW_EMBEDDED: '', DATABASE_URL: postgres.url };
    const startServer = async () => {
      const server = startProgram(t, { file: 'src/server/main.ts', folder, env });
      await untilReady(url);
      return server;
    };
    const readiness = async () => (await (await fetch(`${url}/readyz`)).json()) as Readiness;

    const first = await startServer();
    await first.untilOutput(/database: no response from DATABASE_URL/);
    const worker = startProgram(t, { file: 'workers/archive.ts', folder, env });
    await worker.untilOutput(/database: no response from DATABASE_URL/);

    const accepted: string[] = [];
    const sending = (async () => {
      // Those that meet the dead server come again, three times within seconds, as WeChat's do.
      for (let group = 0; group < 15; group++) {
        const sent = Array.from({ length: 4 }, () => send({ kind: 'image' }).catch(() => undefined));
        accepted.push(...(await Promise.all(sent)).filter((id) => id !== undefined));
      }
    })();
    await until('some callbacks are in the spool', async () => (await readiness()).spool.records > 10);
    await first.end('SIGKILL');
    const answered = accepted.length;
    assert.ok(answered > 0 && answered < 60, `it was killed in the middle: ${answered}`);

    const second = await startServer();
    await second.untilOutput(/spool: contains records of an earlier run/);
    await sending;
    const { status, degraded, spool } = await readiness();
    assert.equal(status, 'degraded');
    assert.ok(degraded.includes('spool_in_use'));
    assert.ok(accepted.length > answered);
    assert.ok(spool.records >= accepted.length);
    assert.equal((await fetch(`${url}/v1/media`)).status, 401);

    await postgres.start();
    await worker.untilOutput(/"worker: started"/);
    await until('all of it is in the catalogue', async () => (await readiness()).spool.records === 0);
    const client = new pg.Client(postgres.url);
    await client.connect();
    const { rows } = await client.query<{ id: string }>('SELECT id FROM wma.media');
    await client.end();
    const ids = new Set(rows.map(({ id }) => id));
    // There may also be rows of callbacks whose response the kill cut off.
    assert.deepEqual(
      accepted.filter((id) => !ids.has(id)),
      [],
    );
    await until('one that was sent to the dead server is archived', async () => {
      const found = await row(accepted[0]!);
      return found.status === 'archived';
    });
    for (const program of [worker, second]) {
      assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
      assert.doesNotMatch(program.stderr(), /shutdown: step failed/);
    }
  },
);
