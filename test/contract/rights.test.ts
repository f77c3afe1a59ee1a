/** The owner of the schema migrates; the role at run time may do no more than it needs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { migrateOnly } from '../../src/app/migrate.ts';
import { startFailureOf } from '../../src/app/run.ts';
import { loadConfig } from '../../src/config/config.ts';
import { onPostgres } from '../machine/postgres.ts';
import { missing, postgresForTest } from '../machine/services.ts';
import { idOfInput, type Program, receive, SHAPES, untilEnded } from './shapes.ts';

const DAY_MS = 24 * 3_600_000;
const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const [, statements] = /^```sql\n(GRANT USAGE .*?)^```$/ms.exec(operations)!;
/** As docs/operations.md gives them. */
const grants = (role: string, database: string) =>
  statements!.replaceAll(' app;', ` ${role};`).replaceAll('DATABASE wma', `DATABASE ${database}`);

test('a role without CREATE starts on a schema that its owner migrated; what it lacks is named', {
  skip: missing.postgres,
}, async (t) => {
  const admin = await postgresForTest(t);
  if (!admin) return;
  const fixture = await SHAPES.find(({ name }) => name === 'Postgres')!.open();
  t.after(() => fixture.close());
  const word = randomBytes(4).toString('hex');
  const [owner, app] = [`owner_${word}`, `app_${word}`];
  const as = (role: string) => Object.assign(new URL(admin), { username: role }).href;
  const database = new URL(admin).pathname.slice(1);
  await onPostgres(admin, `CREATE ROLE ${owner} LOGIN; CREATE ROLE ${app} LOGIN`);
  t.after(() =>
    t.after(() => t.after(() => onPostgres(process.env.TEST_DATABASE_URL!, `DROP ROLE ${owner}, ${app}`))),
  );
  await onPostgres(admin, `GRANT CREATE ON DATABASE ${database} TO ${owner}`);
  const start = () => fixture.start({ env: { DATABASE_URL: as(app) } });
  const refusal = async () => {
    const error = await start().then(
      (program: Program) => program.close().then(() => assert.fail('it started')),
      (reason: unknown) => reason,
    );
    const { exitCode, text } = startFailureOf('test', error);
    assert.equal(exitCode, 78, text);
    return text;
  };

  assert.match(await refusal(), /schema wma lacks 001_catalogue\.sql.*may not make that.*`wma migrate`/);

  const env = {
    DATABASE_URL: as(owner),
    S3_BUCKET: 'bucket',
    S3_REGION: 'us-east-1',
    S3_ACCESS_KEY_ID: 'a',
    S3_SECRET_ACCESS_KEY: 'b',
  };
  const wechat = { WECHAT_APP_ID: 'wx1', WECHAT_APP_SECRET: 's', WECHAT_TOKEN: 't' };
  const config = loadConfig({ ...env, ...wechat }, { dotEnvFolder: '/nowhere' });
  const applied = await migrateOnly(config);
  assert.deepEqual([applied[0], applied.at(-1)], ['001_catalogue.sql', 'queue (bullmq)']);
  assert.deepEqual(await migrateOnly(config), []);

  assert.match(
    await refusal(),
    new RegExp(`role ${app} .*USAGE on bullmq.*GRANT USAGE ON SCHEMA bullmq TO ${app};`),
  );
  await onPostgres(as(owner), grants(app, database));
  await onPostgres(as(owner), `REVOKE INSERT ON wma.media FROM ${app}`);
  assert.match(
    await refusal(),
    new RegExp(`lacks rights: INSERT on wma\\.media\\. .*GRANT .* ON ALL TABLES IN SCHEMA wma TO ${app};`),
  );
  await onPostgres(as(owner), grants(app, database));

  await onPostgres(as(owner), `REVOKE EXECUTE ON FUNCTION wma.empty_event_slot FROM ${app}`);
  assert.match(
    await refusal(),
    new RegExp(
      `EXECUTE on wma\\.empty_event_slot\\. .*: GRANT EXECUTE ON FUNCTION wma\\.empty_event_slot TO ${app};$`,
      'm',
    ),
  );
  await onPostgres(as(owner), grants(app, database));

  await onPostgres(admin, `REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC`);
  assert.match(await refusal(), new RegExp(`GRANT TEMPORARY ON DATABASE ${database} TO ${app};`));
  await onPostgres(admin, `GRANT TEMPORARY ON DATABASE ${database} TO ${app}`);

  const program = await start();
  const { catalogue, accept } = program.parts;
  const inputs = [
    receive(fixture.simulator, { kind: 'image' }),
    receive(fixture.simulator, { kind: 'voice' }),
  ];
  await accept(inputs);
  const rows = await untilEnded(program, inputs.map(idOfInput));
  assert.deepEqual(
    rows.map(({ status }) => status),
    ['archived', 'archived'],
  );
  // What a role at run time does beside archiving.
  assert.equal((await catalogue.media.attempts(rows[0]!.id)).length, 1);
  assert.equal(
    await catalogue.leases.take('sweep-test', 'me', new Date(), new Date(Date.now() + 1000)),
    true,
  );
  await catalogue.leases.drop('sweep-test', 'me');
  // EVENT_RETENTION, without the right to create tables or to empty them with TRUNCATE.
  const { events } = catalogue;
  await assert.rejects(onPostgres(as(app), 'TRUNCATE wma.event_0'), /permission denied/);
  await assert.rejects(onPostgres(as(app), 'CREATE TABLE wma.mine (id text)'), /permission denied/);
  while ((await events.sequence()).hasMore);
  assert.ok((await events.head()).position >= 2);
  await onPostgres(as(app), `UPDATE wma.event_head SET slot_since = slot_since - interval '1 day'`);
  await events.dropExpired(DAY_MS / 2, AbortSignal.timeout(30_000));
  await onPostgres(as(app), `UPDATE wma.event SET sequenced_at = sequenced_at - interval '1 day'`);
  // The program does it too, so it may have emptied the partition already.
  await events.dropExpired(DAY_MS / 2, AbortSignal.timeout(30_000));
  assert.equal((await onPostgres(as(app), 'SELECT FROM wma.event_0')).rowCount, 0);
  const errors = fixture.logLines.filter((line) => /permission denied|must be owner/.test(line));
  assert.deepEqual(errors, []);
  await program.close();
});
