/**
 * `npm run sweep`: requeues the work of killed processes and closes expired rows. One sweeper is enough; several may
 * run.
 */
import { startAlerts } from '../src/app/alerts.ts';
import { openAppContext } from '../src/app/app-context.ts';
import { openMetricsPort } from '../src/app/metrics-port.ts';
import { requireShared, runProgram } from '../src/app/run.ts';
import { reportAtStart } from '../src/app/start-report.ts';
import { startDispatcher, startHeartbeat, startSweeper } from '../src/app/worker.ts';
import { loadConfig } from '../src/config/config.ts';

await runProgram('sweep', async (onOpened) => {
  const config = loadConfig();
  requireShared(config, 'npm run sweep');
  const context = await openAppContext(config, { program: 'sweep', whenUnavailable: 'wait' });
  onOpened(context.shutdown);
  await openMetricsPort(context);
  startAlerts(context);
  startSweeper(context, startDispatcher(context));
  startHeartbeat(context, { isWorker: false });
  void reportAtStart(context);
  context.log.info('sweeper: started');
});
