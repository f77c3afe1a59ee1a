/** deploy/prometheus/rules.yml as data, and promtool. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { createMetrics } from '../../src/runtime/metrics.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const RULES_FILE = join(ROOT, 'deploy/prometheus/rules.yml');
/** The label `archiver` of the example and of the tests. */
export const ARCHIVER = 'main';

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface RulesFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

export const rulesFile = parse(readFileSync(RULES_FILE, 'utf8')) as RulesFile;
export const rules: readonly Rule[] = rulesFile.groups.flatMap((group) => group.rules);
export const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);
export const records = rules.filter((rule): rule is Rule & { record: string } => rule.record !== undefined);

/** `2m` → 2. Rules use whole minutes. */
export function minutesOf(rule: Rule): number {
  const { for: duration = '0m' } = rule;
  const minutes = /^(\d+)m$/.exec(duration)?.[1];
  if (minutes === undefined) throw new Error(`${rule.alert}: for: ${duration} is not in minutes`);
  return Number(minutes);
}

/** The codes of checks whose findings fire this alert; empty: it is about a series of its own. */
export function codesOf({ expr }: Rule): string[] {
  const found = /^archiver:wma_check_failing:max\{code=~?"([^"]+)"\} > 0/.exec(expr);
  return found?.[1]?.split('|') ?? [];
}

/** The metrics that an expression reads, without the suffixes of a histogram's series. */
export function metricsIn(expr: string): string[] {
  const bare = expr.replaceAll(/"[^"]*"/g, '""').replaceAll(/archiver:\w+:\w+/g, '');
  return [...new Set([...bare.matchAll(/\bwma_\w+/g)].map(([name]) => name.replace(/_bucket$/, '')))];
}

/**
 * Metrics that rules and dashboard read and that this version of the program does not have yet, with the reason. The
 * tests fail for one that exists.
 */
export const NOT_YET: Readonly<Record<string, string>> = {
  wma_webhook_deliveries_total: 'webhooks',
  wma_webhook_pending: 'webhooks',
};
/** Checks of the same parts. */
export const CODES_NOT_YET: readonly string[] = ['webhook_failing'];

/** The names of all metrics of the program. */
export function knownMetrics(): Set<string> {
  const { registry: _, ...metrics } = createMetrics();
  return new Set(Object.values(metrics).map((metric) => (metric as unknown as { name: string }).name));
}

/** Runs promtool. Rejects with its output when it fails. */
export function promtool(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, timeout: 240_000, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`promtool ${args.join(' ')}:\n${stdout}\n${stderr}`));
      else resolve(stdout + stderr);
    });
  });
}

/** Values of a series in promtool's notation, one a minute if a test does not say otherwise. */
export type Series = Readonly<Record<string, string>>;

export interface UnitTest {
  readonly name: string;
  readonly series: Series;
  readonly expect: readonly {
    readonly expr: string;
    readonly atMinute: number;
    readonly samples: readonly { readonly labels: string; readonly value: number }[];
  }[];
}

/** Runs `promtool test rules`, with one sample and one evaluation every `minutes`. Rejects with its report when a test fails. */
export async function runUnitTests(
  program: string,
  folder: string,
  tests: readonly UnitTest[],
  minutes = 1,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = {
    rule_files: [RULES_FILE],
    evaluation_interval: `${minutes}m`,
    tests: tests.map(({ name, series, expect }) => ({
      name,
      interval: `${minutes}m`,
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      promql_expr_test: expect.map(({ expr, atMinute, samples }) => ({
        expr,
        eval_time: `${atMinute}m`,
        exp_samples: samples,
      })),
    })),
  };
  await writeFile(join(folder, 'tests.yml'), stringify(file, { lineWidth: 0 }));
  await promtool(program, ['test', 'rules', 'tests.yml'], folder);
}

/** Expects exactly these alerts to fire. */
export const firing = (atMinute: number, names: readonly string[]): UnitTest['expect'][number] => ({
  expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
  atMinute,
  samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
});
