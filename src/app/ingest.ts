/** What a server accepts with: the catalogue, and a spool in DATA_DIR for the time it is away. */
import { join } from 'node:path';
import { createIngest, type Ingest } from '../pipeline/ingest/ingest.ts';
import { openSpool, type Spool } from '../spool/spool.ts';
import type { AppContext } from './app-context.ts';

export type IntakeParts = Pick<
  AppContext,
  'accept' | 'accounts' | 'catalogue' | 'clock' | 'config' | 'due' | 'log' | 'metrics' | 'shutdown' | 'signs'
>;

/** Takes up what is left in the spool, from a run before or from a process that died. */
export async function openIntake(parts: IntakeParts): Promise<Ingest> {
  const { log, shutdown, signs } = parts;
  const spool = await openSpoolOrSay(parts);
  const intake = createIngest({
    ...parts,
    onAccepted: parts.due.notify,
    onSpoolUse: ({ state, records }) =>
      state === 'begun'
        ? signs.setUnhealthy('spool_in_use', { count: records })
        : signs.setHealthy('spool_in_use'),
    ...(spool ? { spool } : {}),
  });
  if (!spool) signs.setUnhealthy('spool_missing');
  signs.observe(async () => {
    if (spool && !spool.isWritable) signs.setUnhealthy('spool_full');
    else signs.setHealthy('spool_full');
  });
  const running = intake.run(shutdown.signal);
  shutdown.step('spool', async () => {
    await running;
    await spool?.close();
  });
  const { spool: left } = intake.state;
  if (left && left.records > 0) log.info(left, 'the spool holds records of a run before');
  return intake;
}

/** A server that only lacks a place for its spool is better than none. */
async function openSpoolOrSay({ config, log, metrics }: IntakeParts): Promise<Spool | undefined> {
  const folder = join(config.dataFolder, 'spool');
  try {
    return await openSpool({
      folder,
      limitBytes: config.spool.limitBytes,
      log,
      onChange: ({ records, bytes }) => {
        metrics.spoolRecords.set(records);
        metrics.spoolBytes.set(bytes);
      },
    });
  } catch (error) {
    log.error(
      { err: error, folder },
      'no spool: callbacks that arrive while the database is away will be refused; let this user write to DATA_DIR',
    );
    return undefined;
  }
}
