/** `npm run worker`: fetches and stores. As many as you like, on as many machines as you like. */
import { startAlerts } from '../src/app/alerts.ts';
import { openAppContext } from '../src/app/app-context.ts';
import { openMetricsPort } from '../src/app/metrics-port.ts';
import { requireShared, runProgram } from '../src/app/run.ts';
import { reportAtStart } from '../src/app/start-report.ts';
import { startConsumer, startFeeder } from '../src/app/worker.ts';
import { loadConfig } from '../src/config/config.ts';

await runProgram('worker', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run worker');
  const parts = await openAppContext(config, { program: 'worker', whenAway: 'wait' });
  attend(parts.shutdown);
  parts.health.setUnhealthy('consumer_closed');
  await openMetricsPort(parts);
  startAlerts(parts);
  const feeder = startFeeder(parts);
  const opening = startConsumer(parts, { ...config.wechat, allowHosts: config.fetch.allowHosts }, feeder);
  reportAtStart(parts, opening);
  const { tryAccounts } = await opening;
  tryAccounts();
  parts.log.info({ concurrency: config.work.concurrency }, 'taking media');
});
