/** A real Prometheus for a test: on 127.0.0.1, in a folder of its own, ended by its process id. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parse, stringify } from 'yaml';
import { createTestServer, freePort } from '../machine/server.ts';
import { programForTest } from '../machine/services.ts';
import { ARCHIVER, ROOT, RULES_FILE } from './rules-file.ts';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
}

interface ScrapeConfig {
  readonly job_name: string;
  readonly authorization?: { credentials_file: string };
}

/**
 * Starts Prometheus with the example of a configuration, with other targets and intervals of a second, and the rules,
 * whose alerts wait for a second instead of minutes. Undefined: skipped, return.
 */
export async function startPrometheus(
  t: TestContext,
  folder: string,
  targets: { readonly server: string; readonly others: readonly string[]; readonly key: string },
) {
  const program = programForTest(t, 'prometheus');
  if (!program) return undefined;
  const example = parse(await readFile(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8'), {
    merge: true,
  }) as { global: object; scrape_configs: ScrapeConfig[] };
  const [server, others] = example.scrape_configs;
  const config = {
    ...example,
    global: { ...example.global, scrape_interval: '1s', evaluation_interval: '1s' },
    scrape_configs: [
      { ...server, static_configs: [{ targets: [targets.server] }] },
      { ...others, dns_sd_configs: undefined, static_configs: [{ targets: targets.others }] },
    ],
  };
  const rules = (await readFile(RULES_FILE, 'utf8')).replaceAll(/^( +for:) .+$/gm, '$1 1s');
  await writeFile(join(folder, 'prometheus.yml'), stringify(config, { aliasDuplicateObjects: false }));
  await writeFile(join(folder, 'rules.yml'), rules);
  await writeFile(join(folder, 'wma-metrics-key'), targets.key, { mode: 0o400 });

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const fetchOk = async (path: string, body?: URLSearchParams) => {
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(`${url}${path}`, body ? { method: 'POST', body, signal } : { signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} ${body?.get('query') ?? ''}: ${response.status} ${text}`);
    return text;
  };
  const process = createTestServer(url, { program, args, cwd: folder }, () => fetchOk('/-/ready'));
  t.after(() => process.stop());
  await process.start();
  const data = async <T>(path: string, body?: URLSearchParams) =>
    (JSON.parse(await fetchOk(path, body)) as { data: T }).data;

  return {
    url,
    archiver: ARCHIVER,
    /** The result of an instant query; numbers alone, as a result, are one sample. */
    query: async (expr: string): Promise<readonly Sample[]> => {
      const { resultType, result } = await data<{ resultType: string; result: unknown }>(
        '/api/v1/query',
        new URLSearchParams({ query: expr }),
      );
      if (resultType === 'scalar') return [{ metric: {}, value: result as Sample['value'] }];
      return result as readonly Sample[];
    },
    firing: async (): Promise<readonly Alert[]> =>
      (await data<{ alerts: Alert[] }>('/api/v1/alerts')).alerts.filter(({ state }) => state === 'firing'),
    /** The rules whose last evaluation failed. */
    failedRules: async (): Promise<readonly string[]> =>
      (
        await data<{ groups: { rules: { name: string; lastError?: string; health: string }[] }[] }>(
          '/api/v1/rules',
        )
      ).groups
        .flatMap(({ rules }) => rules)
        .filter(({ health }) => health === 'err')
        .map(({ name, lastError }) => `${name}: ${lastError}`),
    /** How many targets are scraped successfully. */
    targetsUp: async (): Promise<number> =>
      (await data<{ activeTargets: { health: string }[] }>('/api/v1/targets')).activeTargets.filter(
        ({ health }) => health === 'up',
      ).length,
  };
}
