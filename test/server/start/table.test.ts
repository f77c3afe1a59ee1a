/** The table of the checks that npm start prints. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import type { CheckRun } from '../../../src/app/checks.ts';
import { runChecks } from '../../../src/app/checks.ts';
import type { Config } from '../../../src/config/config.ts';
import { findingsFor, findingsOf } from '../../../src/pipeline/checks/findings.ts';
import type { FactGatherer } from '../../../src/pipeline/checks/gather.ts';
import type { TokenProblem } from '../../../src/pipeline/dispatch/check-account-tokens.ts';
import { columnsOf, wrapColumns } from '../../../src/server/start/columns.ts';
import { startTable } from '../../../src/server/start/table.ts';
import { openTestServer, PLAIN, SAFE, type TestServer } from '../setup.ts';

const NOW = new Date('2026-11-30T08:00:00Z');
const WIDE = { hasColors: false, columns: 200 };
const PROBLEM: TokenProblem = {
  isUnreached: false,
  message: { en: 'The secret is wrong.', zh: '密钥错误。' },
  advice: { en: 'Copy it again.', zh: '请重新复制。' },
};

describe('the table at start', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const real = (language: Config['language'] = 'en') => ({
    config: { ...s.context.config, language, shape: { ...s.context.config.shape, wechat: 'real' as const } },
    accounts: createAccounts([PLAIN, SAFE]),
    clock: { skewMs: 12 as number | undefined },
  });
  const runOf = (facts: Partial<CheckRun['facts']>): CheckRun => {
    const all = { now: NOW, process: 'p', conditions: [], ...facts };
    const findings = findingsOf(all);
    return { facts: all, ...findings, found: findingsFor('readyz', findings) };
  };
  const WELL = { catalogue: { ok: true }, queue: { ok: true }, store: { ok: true } } as const;
  const lineOf = (table: string, name: string) =>
    table.split('\n').find((line) => line.startsWith(`  ${name}`));

  it('has a line for each part that is well, with its place', () => {
    const tokens = new Map([
      [PLAIN.account, undefined],
      [SAFE.account, undefined],
    ]);
    const table = startTable(real(), { run: runOf(WELL), tokens }, WIDE);
    assert.deepEqual(
      table
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().split(/ {2,}/).slice(0, 2).join(' ')),
      [
        'Database ok',
        'Queue ok',
        'Store ok',
        'Clock ok',
        `Account ${PLAIN.name} ok`,
        `Account ${SAFE.name ?? SAFE.account} ok`,
      ],
    );
    assert.ok(table.includes(`embedded, in ${s.context.config.dataFolder}/database`));
    const shared = real().config;
    const elsewhere = {
      ...real(),
      config: {
        ...shared,
        shape: {
          ...shared.shape,
          database: 'postgres' as const,
          queue: 'redis' as const,
          store: 's3' as const,
        },
        database: { ...shared.database, url: 'postgres://wma:hidden@db.example:5432/wma' },
        redis: { url: 'redis://:hidden@redis.example:6379' },
      },
    };
    const places = startTable(elsewhere, { run: runOf(WELL), tokens }, WIDE);
    assert.match(places, /Postgres at db\.example:5432/);
    assert.match(places, /Redis at redis\.example:6379/);
    assert.doesNotMatch(places, /hidden/);
  });

  it('names what is wrong with its cure, in the language of the locale', () => {
    const facts = {
      ...WELL,
      queue: { ok: false } as const,
      store: { ok: false, failure: { class: 'store', code: 'store_bucket_missing' } } as const,
    };
    const input = { run: runOf(facts), tokens: new Map([[PLAIN.account, PROBLEM]]) };
    const table = startTable(real(), input, WIDE);
    assert.match(table, /Queue +PROBLEM +The queue does not respond.*\n +Check the Redis of REDIS_URL/);
    assert.match(table, /Store +PROBLEM +.*bucket.*\n +.*S3_BUCKET/);
    assert.match(table, /Account shop +PROBLEM +The secret is wrong\.\n +Copy it again\.\n/);
    const chinese = startTable(real('zh'), input, WIDE);
    assert.match(chinese, /队列 +异常 +队列无响应，.*\n +请检查 REDIS_URL/);
    const unreached = { ...PROBLEM, isUnreached: true, detail: 'ECONNREFUSED' };
    const offline = startTable(real(), { ...input, tokens: new Map([[PLAIN.account, unreached]]) }, WIDE);
    assert.match(
      offline,
      /The secret is wrong\. \(ECONNREFUSED\)\n +Check this machine's network.*WECHAT_PROXY/,
    );
    assert.match(chinese, /账号 shop +异常 +密钥错误。\n +请重新复制。/);
    assert.doesNotMatch(chinese, /PROBLEM|not known|Queue/);
  });

  it('says of a part that has not responded that it is not known yet, instead of waiting for it', async () => {
    const silent = new Promise<never>(() => undefined);
    const gather: FactGatherer = {
      process: async () => ({ now: NOW, process: 'p', conditions: [] }),
      catalogue: async () => ({ catalogue: { ok: true } }),
      queue: async () => ({ queue: { ok: true } }),
      store: () => silent,
    };
    const run = await runChecks(gather, { timeoutMs: 60_000, unknownAfterMs: 20 });
    const context = { ...real(), clock: { skewMs: undefined } };
    const table = startTable(context, { run, tokens: new Map() }, WIDE);
    assert.match(lineOf(table, 'Database') ?? '', / ok /);
    assert.match(lineOf(table, 'Store') ?? '', /unknown +not known yet/);
    assert.match(lineOf(table, 'Clock') ?? '', /unknown +not compared yet/);
    assert.match(lineOf(table, `Account ${PLAIN.name}`) ?? '', /unknown +not known yet/);
  });

  it('joins the accounts that are well into one line if they are many', () => {
    const many = Array.from({ length: 30 }, (_, n) => ({ ...PLAIN, account: `wx${n}`, name: `shop ${n}` }));
    const context = { ...real(), accounts: createAccounts(many) };
    const tokens = new Map(many.map(({ account }, n) => [account, n === 7 ? PROBLEM : undefined]));
    const table = startTable(context, { run: runOf(WELL), tokens }, WIDE);
    assert.match(table, /Accounts +ok +29 accounts: /);
    assert.match(table, /Account shop 7 +PROBLEM/);
    assert.equal(table.match(/^ {2}Account/gm)?.length, 2);
  });

  it('shows a wrong clock, and obeys no control characters of names', () => {
    const hostile = { ...PLAIN, name: 'a\u001b[2J\nb' };
    const context = { ...real(), accounts: createAccounts([hostile]), clock: { skewMs: 7_300 } };
    const table = startTable(context, { run: runOf(WELL), tokens: new Map() }, WIDE);
    assert.match(table, /Clock +attention +7 s from the database's/);
    assert.ok(table.includes('a\\u001b[2J\\nb'));
  });

  it('colours only the states, and aligns and wraps wide characters', () => {
    const colored = startTable(
      real('zh'),
      { run: runOf(WELL), tokens: new Map() },
      { hasColors: true, columns: 60 },
    );
    assert.ok(colored.includes('\u001b[32m正常\u001b[39m'));
    const plain = startTable(
      real('zh'),
      { run: runOf({ ...WELL, queue: { ok: false } }), tokens: new Map() },
      { hasColors: false, columns: 60 },
    );
    for (const line of plain.split('\n')) {
      if (!line.includes('/')) assert.ok(columnsOf(line) < 60, line);
    }
    assert.deepEqual(wrapColumns('队列无响应 a bc', 8), ['队列无响', '应 a bc']);
    assert.deepEqual(wrapColumns('one two three', 8), ['one two', 'three']);
    assert.deepEqual(wrapColumns('', 8), []);
  });
});
