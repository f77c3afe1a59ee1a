/** The server alone: callbacks, API, page. Workers fetch beside it, in processes of their own. */
import { startAlerts } from '../app/alerts.ts';
import { openAppContext } from '../app/app-context.ts';
import { requireShared, runProgram } from '../app/run.ts';
import { reportAtStart } from '../app/start-report.ts';
import { startFeeder, startHeartbeat } from '../app/worker.ts';
import { loadConfig } from '../config/config.ts';
import { loadKeys } from './auth/api-key-file.ts';
import { mayShowLoginLink, openServer, startMessage } from './start.ts';

await runProgram('server', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run server');
  const { keys, file } = await loadKeys(config);
  const parts = await openAppContext(config, { program: 'server', whenAway: 'later' });
  attend(parts.shutdown);
  startAlerts(parts);
  startFeeder(parts);
  startHeartbeat(parts, { takesMedia: false });
  reportAtStart(parts);
  const server = await openServer(parts, { keys });
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  process.stdout.write(startMessage(parts, server, { showLoginLink, keyFile: file }));
});
