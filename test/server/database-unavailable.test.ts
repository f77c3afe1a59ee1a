/** While the database is down or refuses connections, every read gets 503, and 200 again afterwards. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../src/catalogue/database/postgres.ts';
import { openServer } from '../../src/server/start.ts';
import { createPgbouncer } from '../machine/pgbouncer.ts';
import { onPostgres } from '../machine/postgres.ts';
import { missing, programForTest, startPostgres } from '../machine/services.ts';
import { KEYS, openTestServer } from './setup.ts';

const READS = ['/v1/media', '/v1/stats', '/v1/accounts', '/v1/dead-letters', `/v1/media/m_${'0'.repeat(32)}`];

describe('a database that fails while the server runs', {
  skip: missing.postgresServer,
}, () => {
  it('turns every read into 503 with Retry-After, and into 200 again when it works', async (t) => {
    const via = programForTest(t, 'pgbouncer');
    const postgres = via && (await startPostgres(t));
    if (!via || !postgres) return;
    const admin = postgres.url;
    // A database that can be dropped, with passwords: the server of the tests trusts every user.
    await onPostgres(admin, 'CREATE DATABASE wma');
    const inside = Object.assign(new URL(admin), { pathname: '/wma' }).href;
    const hba = async (...lines: string[]) => {
      const all = [...lines, 'host all app 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust'];
      const values = all.map((line) => `('${line}')`).join(', ');
      const { rows } = await onPostgres(admin, `SELECT current_setting('hba_file') AS file`);
      await onPostgres(admin, `COPY (VALUES ${values}) TO '${rows[0].file}'`);
      await onPostgres(admin, 'SELECT pg_reload_conf()');
    };
    await hba();
    await onPostgres(
      admin,
      `CREATE ROLE app LOGIN PASSWORD 'first-password'; GRANT CREATE ON DATABASE wma TO app`,
    );
    const url = Object.assign(new URL(inside), { username: 'app', password: 'first-password' }).href;

    const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'pooler-'));
    const pooler = await createPgbouncer({ via, folder, upstream: url, mode: 'transaction' });
    t.after(async () => {
      await pooler.kill();
      await rm(folder, { recursive: true, force: true });
    });
    await pooler.start();

    const s = await openTestServer();
    t.after(() => s.close());
    const serve = async (databaseUrl: string) => {
      const pool = createPostgresPool({
        url: databaseUrl,
        searchPath: 'wma',
        maxConnections: 4,
        log: s.context.log,
      });
      t.after(() => pool.end());
      const database = createDatabase(pool);
      const catalogue = createCatalogue(database, 'wma', s.context.lifetimes);
      const keys = [{ name: 'k', scopes: ['read'] as const, secret: KEYS.read }];
      const server = await openServer({ ...s.context, catalogue }, { keys });
      const read = async (path: string) => {
        const response = await fetch(server.url + path, {
          headers: { authorization: `Bearer ${KEYS.read}` },
        });
        const body = (await response.json()) as { code?: string };
        return { status: response.status, code: body.code, retryAfter: response.headers.get('retry-after') };
      };
      return { database, read };
    };
    const direct = await serve(url);
    await migrate(direct.database, 'wma', new Date());
    await direct.database.query("INSERT INTO wma.account (account) VALUES ('wx0000000000000001')");

    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'`;
    /** Waits: settings are reloaded a moment later, and a closed connection is noticed only at its next use. */
    const becomes = async (what: string, status: number, read: typeof direct.read) => {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const response = await read('/v1/media');
        if (response.status === status) return;
        assert.ok(performance.now() < deadline, `${what}: still ${JSON.stringify(response)}`);
        await wait(50);
      }
    };
    const isUnavailable = async (what: string, read: typeof direct.read, paths = READS) => {
      for (const path of paths) {
        const { status, code, retryAfter } = await read(path);
        assert.deepEqual(
          [status, code, Number(retryAfter) > 0],
          [503, 'database_away', true],
          `${what}: ${path}`,
        );
      }
    };

    const faults: [what: string, begin: () => Promise<unknown>, end: () => Promise<unknown>][] = [
      [
        'password changed',
        () => onPostgres(admin, `ALTER ROLE app PASSWORD 'another'`),
        () => onPostgres(admin, `ALTER ROLE app PASSWORD 'first-password'`),
      ],
      [
        'may not log in',
        () => onPostgres(admin, 'ALTER ROLE app NOLOGIN'),
        () => onPostgres(admin, 'ALTER ROLE app LOGIN'),
      ],
      [
        'too many connections',
        () => onPostgres(admin, 'ALTER ROLE app CONNECTION LIMIT 0'),
        () => onPostgres(admin, 'ALTER ROLE app CONNECTION LIMIT -1'),
      ],
      [
        'may not connect to the database',
        () => onPostgres(admin, 'REVOKE CONNECT ON DATABASE wma FROM PUBLIC'),
        () => onPostgres(admin, 'GRANT CONNECT ON DATABASE wma TO PUBLIC'),
      ],
      ['refused by pg_hba.conf', () => hba('host all app 127.0.0.1/32 reject'), () => hba()],
      [
        'no rights on the schema',
        () => onPostgres(inside, 'ALTER SCHEMA wma OWNER TO postgres'),
        () => onPostgres(inside, 'ALTER SCHEMA wma OWNER TO app'),
      ],
    ];
    for (const [what, begin, end] of faults) {
      await begin();
      await onPostgres(admin, terminate);
      await becomes(what, 503, direct.read);
      await isUnavailable(what, direct.read);
      await end();
      await becomes(`after: ${what}`, 200, direct.read);
    }

    // Its backend is terminated in the middle of a statement, while it waits for a table lock.
    const locker = new pg.Client({ connectionString: inside });
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE wma.media IN ACCESS EXCLUSIVE MODE');
    const waiting = isUnavailable('terminated', direct.read, ['/v1/media']);
    for (let ended = 0; ended === 0; ) {
      const { rowCount } = await onPostgres(admin, `${terminate} AND wait_event_type = 'Lock'`);
      ended = rowCount ?? 0;
    }
    await waiting;
    await locker.query('ROLLBACK');
    await locker.end();
    await becomes('after termination', 200, direct.read);

    // By a Unix socket, whose file disappears with the pooler.
    const bySocket = await serve(`postgres://app@/wma?host=${folder}&port=${pooler.port}`);
    await becomes('by a socket', 200, bySocket.read);
    await pooler.kill();
    await rm(join(folder, `.s.PGSQL.${pooler.port}`), { force: true });
    await becomes('the socket is gone', 503, bySocket.read);
    await isUnavailable('the socket is gone', bySocket.read);
    await pooler.start();
    await becomes('the socket is back', 200, bySocket.read);
    await pooler.kill();

    await onPostgres(admin, 'DROP DATABASE wma WITH (FORCE)');
    await isUnavailable('dropped', direct.read);
  });
});
