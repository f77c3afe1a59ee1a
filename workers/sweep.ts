/** `npm run sweep`: heals what died half-way and closes what has run out. One is enough; more do no harm. */
import { startAlerts } from '../src/app/alerts.ts';
import { openAppContext } from '../src/app/app-context.ts';
import { openMetricsPort } from '../src/app/metrics-port.ts';
import { requireShared, runProgram } from '../src/app/run.ts';
import { reportAtStart } from '../src/app/start-report.ts';
import { startFeeder, startHeartbeat, startSweeper } from '../src/app/worker.ts';
import { loadConfig } from '../src/config/config.ts';

await runProgram('sweep', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run sweep');
  const parts = await openAppContext(config, { program: 'sweep', whenAway: 'wait' });
  attend(parts.shutdown);
  await openMetricsPort(parts);
  startAlerts(parts);
  startSweeper(parts, startFeeder(parts));
  startHeartbeat(parts, { takesMedia: false });
  reportAtStart(parts);
  parts.log.info('sweeping');
});
