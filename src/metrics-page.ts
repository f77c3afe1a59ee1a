/** The metrics in docs/operations.md, written from the registry. */
import { createMetrics } from './metrics.ts';

export function metricsTable(): string {
  const metrics = createMetrics().registry.getMetricsAsArray() as unknown as {
    name: string;
    help: string;
    type: string;
    labelNames?: readonly string[];
  }[];
  const rows = metrics.map(({ name, help, type, labelNames = [] }) => {
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
  });
  return ['| metric | type | labels | what |', '|---|---|---|---|', ...rows].join('\n');
}
