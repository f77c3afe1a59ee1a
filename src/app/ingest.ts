/** What a server accepts with: the catalogue, and a spool in DATA_DIR for the time it is away. */
import { join } from 'node:path';
import { createIngest, type Ingest } from '../pipeline/ingest/ingest.ts';
import { openSpool, type Spool } from '../spool/spool.ts';
import type { AppContext } from './app-context.ts';

export type IngestContext = Pick<
  AppContext,
  'accept' | 'accounts' | 'catalogue' | 'clock' | 'config' | 'due' | 'log' | 'metrics' | 'shutdown' | 'health'
>;

/** Takes up what is left in the spool, from a run before or from a process that died. */
export async function openIngest(parts: IngestContext): Promise<Ingest> {
  const { log, shutdown, health } = parts;
  const spool = await openSpoolOrSay(parts);
  const intake = createIngest({
    ...parts,
    onAccepted: parts.due.notify,
    onSpoolUse: ({ state, records }) =>
      state === 'begun'
        ? health.setUnhealthy('spool_in_use', { count: records })
        : health.setHealthy('spool_in_use'),
    ...(spool ? { spool } : {}),
  });
  if (!spool) health.setUnhealthy('spool_missing');
  health.addProbe(async () => {
    if (spool && !spool.isWritable) health.setUnhealthy('spool_full');
    else health.setHealthy('spool_full');
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
async function openSpoolOrSay({ config, log, metrics }: IngestContext): Promise<Spool | undefined> {
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
