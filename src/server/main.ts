/** The server alone: callbacks, API, page. Workers fetch beside it, in processes of their own. */
import { startAlerts } from '../assembly/alerts.ts';
import { openParts } from '../assembly/parts.ts';
import { requireShared, runProgram } from '../assembly/run.ts';
import { reportAtStart } from '../assembly/start-report.ts';
import { startFeeder, startHeartbeat } from '../assembly/worker.ts';
import { loadConfig } from '../config.ts';
import { loadKeys } from './keys.ts';
import { mayShowLoginLink, openServer, welcome } from './start.ts';

await runProgram('server', async (attend) => {
  const config = loadConfig();
  requireShared(config, 'npm run server');
  const { keys, file } = await loadKeys(config);
  const parts = await openParts(config, { program: 'server', patience: 'later' });
  attend(parts.shutdown);
  startAlerts(parts);
  startFeeder(parts);
  startHeartbeat(parts, { takesMedia: false });
  reportAtStart(parts);
  const server = await openServer(parts, { keys });
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  process.stdout.write(welcome(parts, server, { showLoginLink, keyFile: file }));
});
