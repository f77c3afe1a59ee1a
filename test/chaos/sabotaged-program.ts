/**
 * A program of the service with one dependency replaced: CHAOS_SABOTAGE names the sabotage, CHAOS_ROLE the program. It
 * opens what src/main.ts, src/server/main.ts and workers/ open, and writes on stderr that it is sabotaged.
 */
import { openAppContext } from '../../src/app/app-context.ts';
import { runProgram } from '../../src/app/run.ts';
import { startConsumer, startDispatcher, startHeartbeat, startSweeper } from '../../src/app/worker.ts';
import { loadConfig } from '../../src/config/config.ts';
import { loadKeys } from '../../src/server/auth/api-key-file.ts';
import { openServer } from '../../src/server/start.ts';
import type { SabotageMode } from './sabotage-modes.ts';
import { SABOTAGES } from './sabotages.ts';
import type { Role } from './script.ts';

const mode = process.env.CHAOS_SABOTAGE as SabotageMode;
const role = process.env.CHAOS_ROLE as Role;
const program = role.replace(/-\d$/, '').replace('sweeper', 'sweep');
const isAll = program === 'all';

await runProgram(program, async (attend) => {
  const config = loadConfig();
  const opened = await openAppContext(config, {
    program,
    whenUnavailable: isAll || program === 'server' ? 'later' : 'wait',
  });
  attend(opened.shutdown);
  const context = SABOTAGES[mode](opened);
  process.stderr.write(`sabotaged: ${mode} in ${role}\n`);
  if (isAll || program === 'server') await openServer(context, { keys: (await loadKeys(config)).keys });
  const dispatcher = startDispatcher(context);
  if (isAll || program === 'worker')
    await startConsumer(context, { ...config.wechat, allowHosts: config.fetch.allowHosts }, dispatcher);
  else startHeartbeat(context, { isWorker: false });
  if (isAll || program === 'sweep') startSweeper(context, dispatcher);
});
