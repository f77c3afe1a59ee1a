/** The table that npm start prints: what the checks found, a line for each part, with the cure where one is needed. */
import { join } from 'node:path';
import { styleText } from 'node:util';
import type { Account } from '../../account.ts';
import type { AppContext } from '../../app/app-context.ts';
import type { CheckRun } from '../../app/checks.ts';
import type { Config } from '../../config/config.ts';
import type { Component } from '../../pipeline/checks/check.ts';
import { type Finding, withAccountName } from '../../pipeline/checks/findings.ts';
import { checkOf } from '../../pipeline/checks/table.ts';
import type { TokenProblem } from '../../pipeline/dispatch/check-account-tokens.ts';
import { escapeControls } from '../../runtime/text/escape-controls.ts';
import { columnsOf, padColumns, wrapColumns } from './columns.ts';
import { type StartTexts, startTexts } from './texts.ts';

type State = 'ok' | 'problem' | 'attention' | 'unknown';

interface Row {
  readonly name: string;
  readonly state: State;
  readonly text: string;
  readonly cure?: string;
}

export interface TableInput {
  readonly run: CheckRun;
  /** The result of the token check, by account. An account that is missing is not checked yet. */
  readonly tokens: ReadonlyMap<string, TokenProblem | undefined>;
}

export interface TableStyle {
  readonly hasColors: boolean;
  /** The width of the terminal. */
  readonly columns: number;
}

type TableContext = Pick<AppContext, 'accounts' | 'config'> & { clock: Pick<AppContext['clock'], 'skewMs'> };

/** With more accounts, those that are well share a line. */
const ACCOUNT_LINES = 5;
const CLOCK_SHOWN_MS = 2_000;
const COLORS = { ok: 'green', problem: 'red', attention: 'yellow', unknown: 'yellow' } as const;
const NARROWEST = 30;

/** Returns the lines of the table. `run.found` contains only what is shown. */
export function startTable(context: TableContext, input: TableInput, style: TableStyle): string {
  const rows = rowsOf(context, input);
  const texts = startTexts(context.config);
  const nameColumns = Math.max(...rows.map(({ name }) => columnsOf(name)));
  const stateColumns = Math.max(...rows.map(({ state }) => columnsOf(texts[state])));
  const indent = 2 + nameColumns + 2 + stateColumns + 2;
  const textColumns = Math.max(NARROWEST, style.columns - indent - 1);
  return rows
    .map(({ name, state, text, cure }) => {
      const shown = padColumns(texts[state], stateColumns);
      const colored = style.hasColors ? styleText(COLORS[state], shown, { validateStream: false }) : shown;
      const lines = [text, cure ?? ''].flatMap((part) => wrapColumns(part, textColumns));
      return `  ${padColumns(name, nameColumns)}  ${colored}  ${lines.join(`\n${' '.repeat(indent)}`)}\n`;
    })
    .join('');
}

function rowsOf(context: TableContext, { run, tokens }: TableInput): readonly Row[] {
  const { config, accounts } = context;
  const texts = startTexts(config);
  const { facts, found } = run;
  const unknown = (name: string): Row => ({ name, state: 'unknown', text: texts.notKnownYet });
  const failing = (component: Component) => found.filter(({ code }) => checkOf(code).component === component);
  const rowsFor = (name: string, findings: readonly Finding[]): Row[] =>
    findings.map((finding) => ({ name, ...describe(finding, context) }));
  /** The findings of a component; without any, that it is well, or that it has not responded. */
  const part = (component: 'catalogue' | 'queue' | 'store', text: string): Row[] => {
    const rows = rowsFor(texts[component], failing(component));
    if (rows.length > 0) return rows;
    const name = texts[component];
    return facts[component]?.ok ? [{ name, state: 'ok', text }] : [unknown(name)];
  };
  const ofProcess = failing('process');
  const isDisk = ({ code }: Finding) => code === 'disk_floor';
  const clock = rowsFor(
    texts.clock,
    ofProcess.filter((one) => !isDisk(one)),
  );
  return [
    ...part('catalogue', databaseText(config, texts)),
    ...part('queue', queueText(config, texts, facts)),
    ...part('store', storeText(config, texts)),
    ...(clock.length > 0 ? clock : [clockRow(context.clock.skewMs, texts)]),
    ...rowsFor(texts.disk, ofProcess.filter(isDisk)),
    ...rowsFor(texts.spool, failing('spool')),
    ...rowsFor(texts.workers, failing('workers')),
    ...accountRows(context, accounts.all, failing('accounts'), tokens),
    ...rowsFor(texts.media, failing('media')),
  ];
}

function describe(
  finding: Finding,
  { accounts, config }: Pick<TableContext, 'accounts' | 'config'>,
): Omit<Row, 'name'> {
  const check = checkOf(finding.code);
  const shown = withAccountName(finding, check, accounts);
  return {
    state: check.severity === 'error' ? 'problem' : 'attention',
    text: escapeControls(check.begun(shown)[config.language]),
    cure: escapeControls(check.advice(shown)[config.language]),
  };
}

function accountRows(
  context: TableContext,
  all: readonly Account[],
  found: readonly Finding[],
  tokens: TableInput['tokens'],
): readonly Row[] {
  const { config } = context;
  const texts = startTexts(config);
  const nameOf = ({ account, name }: Account) => texts.account(escapeControls(name ?? account));
  if (config.shape.wechat === 'simulated')
    return [{ name: texts.accounts, state: 'ok', text: texts.simulated }];
  const rows = all.flatMap((account): Row[] => {
    const name = nameOf(account);
    const findings = found.filter(({ target }) => target === account.account);
    const problem = tokens.get(account.account);
    if (problem) {
      const { message, advice, detail, isUnreached } = problem;
      const text = message[config.language] + (detail ? texts.detail(detail) : '');
      const cure = isUnreached ? texts.reachWechat : advice[config.language];
      return [{ name, state: 'problem', text: escapeControls(text), cure: escapeControls(cure) }];
    }
    if (findings.length > 0) return findings.map((finding) => ({ name, ...describe(finding, context) }));
    return tokens.has(account.account)
      ? [{ name, state: 'ok', text: texts.token }]
      : [{ name, state: 'unknown', text: texts.notKnownYet }];
  });
  const well = rows.filter(({ state }) => state === 'ok');
  if (well.length <= ACCOUNT_LINES) return rows;
  const others = rows.filter((row) => !well.includes(row));
  return [{ name: texts.accounts, state: 'ok', text: texts.moreAccounts(well.length) }, ...others];
}

function clockRow(skewMs: number | undefined, texts: StartTexts): Row {
  const name = texts.clock;
  if (skewMs === undefined) return { name, state: 'unknown', text: texts.clockUnknown };
  const offMs = Math.abs(skewMs);
  if (offMs < CLOCK_SHOWN_MS) return { name, state: 'ok', text: texts.clockAgrees };
  return { name, state: 'attention', text: texts.clockOff(Math.round(offMs / 1000)) };
}

const databaseText = ({ shape, database, dataFolder }: Config, texts: StartTexts): string =>
  shape.database === 'embedded'
    ? texts.embeddedIn(join(dataFolder, 'database'))
    : texts.postgresAt(hostOf(database.url, 'DATABASE_URL'));

function queueText({ shape, redis }: Config, texts: StartTexts, { queue }: CheckRun['facts']): string {
  const waiting = (queue?.ok && queue.counts?.waiting) || 0;
  const place = shape.queue === 'redis' ? texts.redisAt(hostOf(redis.url, 'REDIS_URL')) : texts.inDatabase;
  return waiting > 0 ? `${place}${texts.waiting(waiting)}` : place;
}

const storeText = ({ s3, dataFolder }: Config, texts: StartTexts): string =>
  s3
    ? texts.bucketAt(s3.bucket, hostOf(s3.endpoint, 'S3_ENDPOINT'))
    : texts.embeddedIn(join(dataFolder, 's3'));

/** Returns host and port of a URL, without its user and password; the variable's name if it has no host. */
function hostOf(url: string | undefined, variable: string): string {
  const host = url !== undefined && URL.canParse(url) ? new URL(url).host : '';
  return host || variable;
}
