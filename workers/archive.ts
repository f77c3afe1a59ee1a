/** `npm run worker`: fetches and stores. As many as you like, on as many machines as you like. */
import { startAlerts } from '../src/assembly/alerts.ts';
import { openMetricsPort } from '../src/assembly/metrics-port.ts';
import { openParts } from '../src/assembly/parts.ts';
import { requireShared, runProgram } from '../src/assembly/run.ts';
import { reportAtStart } from '../src/assembly/start-report.ts';
import { startConsumer, startFeeder } from '../src/assembly/worker.ts';
import { loadConfig } from '../src/config.ts';

await runProgram('worker', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run worker');
  const parts = await openParts(config, { program: 'worker', patience: 'wait' });
  attend(parts.shutdown);
  parts.signs.setUnhealthy('consumer_closed');
  await openMetricsPort(parts);
  startAlerts(parts);
  const feeder = startFeeder(parts);
  const opening = startConsumer(parts, { ...config.wechat, allowHosts: config.fetch.allowHosts }, feeder);
  reportAtStart(parts, opening);
  const { tryAccounts } = await opening;
  tryAccounts();
  parts.log.info({ concurrency: config.work.concurrency }, 'taking media');
});
