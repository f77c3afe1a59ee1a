/** Writes the table of metrics in docs/operations.md, from the registry. */
import { createMetrics, programsOf } from '../../src/runtime/metrics.ts';

export function metricsTable(): string {
  const { registry: _, ...metrics } = createMetrics();
  const rows = Object.entries(metrics).map(([key, metric]) => {
    const { name, help, labelNames } = metric as unknown as {
      name: string;
      help: string;
      labelNames: readonly string[];
    };
    const labels = labelNames.filter((label) => label !== 'le').map((label) => `\`${label}\``);
    const type = metric.constructor.name.toLowerCase();
    return `| \`${name}\` | ${type} | ${labels.join(', ')} | ${programsOf(key).join(', ')} | ${help} |`;
  });
  return ['| metric | type | labels | exported by | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}
