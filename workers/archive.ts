/** `npm run worker`: downloads media items and stores them. Any number of workers may run, on any number of machines. */
import { startAlerts } from '../src/app/alerts.ts';
import { openAppContext } from '../src/app/app-context.ts';
import { openMetricsPort } from '../src/app/metrics-port.ts';
import { requireShared, runProgram } from '../src/app/run.ts';
import { reportAtStart } from '../src/app/start-report.ts';
import { startWebhooks } from '../src/app/webhooks/sending.ts';
import { startConsumer, startDispatcher } from '../src/app/worker.ts';
import { loadConfig } from '../src/config/config.ts';

await runProgram('worker', async (onOpened) => {
  const config = loadConfig();
  requireShared(config, 'npm run worker');
  const context = await openAppContext(config, { program: 'worker', whenUnavailable: 'wait' });
  onOpened(context.shutdown);
  context.health.setUnhealthy('consumer_closed');
  await openMetricsPort(context);
  startAlerts(context);
  startWebhooks(context);
  const dispatcher = startDispatcher(context);
  const opening = startConsumer(
    context,
    { ...config.wechat, allowHosts: config.fetch.allowHosts },
    dispatcher,
  );
  void reportAtStart(context, { consumer: opening });
  const { checkTokens } = await opening;
  void checkTokens();
  context.log.info({ concurrency: config.work.concurrency }, 'worker: started');
});
