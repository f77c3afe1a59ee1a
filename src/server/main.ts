/** The server program: callbacks, API, dashboard. Workers, which are separate processes, download the files. */
import { startAlerts } from '../app/alerts.ts';
import { openAppContext } from '../app/app-context.ts';
import { requireShared, runProgram } from '../app/run.ts';
import { reportAtStart } from '../app/start-report.ts';
import { startDispatcher, startHeartbeat } from '../app/worker.ts';
import { loadConfig } from '../config/config.ts';
import { loadKeys } from './auth/api-key-file.ts';
import { mayShowLoginLink, startMessage } from './start/message.ts';
import { openServer } from './start.ts';

await runProgram('server', async (onOpened) => {
  const config = loadConfig();
  requireShared(config, 'npm run server');
  const { keys, file } = await loadKeys(config);
  const context = await openAppContext(config, { program: 'server', whenUnavailable: 'later' });
  onOpened(context.shutdown);
  startAlerts(context);
  startDispatcher(context);
  startHeartbeat(context, { isWorker: false });
  void reportAtStart(context);
  const server = await openServer(context, { keys });
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  process.stdout.write(startMessage(context, server, { showLoginLink, keyFile: file }));
});
