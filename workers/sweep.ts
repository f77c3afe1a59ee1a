/** `npm run sweep`: heals what died half-way and closes what has run out. One is enough; more do no harm. */
import { startAlerts } from '../src/assembly/alerts.ts';
import { openMetricsPort } from '../src/assembly/metrics-port.ts';
import { openParts } from '../src/assembly/parts.ts';
import { requireShared, runProgram } from '../src/assembly/run.ts';
import { reportAtStart } from '../src/assembly/start-report.ts';
import { startFeeder, startHeartbeat, startSweeper } from '../src/assembly/worker.ts';
import { loadConfig } from '../src/config.ts';

await runProgram('sweep', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run sweep');
  const parts = await openParts(config, { program: 'sweep', patience: 'wait' });
  attend(parts.shutdown);
  await openMetricsPort(parts);
  startAlerts(parts);
  startSweeper(parts, startFeeder(parts));
  startHeartbeat(parts, { takesMedia: false });
  reportAtStart(parts);
  parts.log.info('sweeping');
});
