/**
 * Opens the ingest of a server, which writes references into the catalogue, or into a spool in DATA_DIR while the
 * catalogue is unavailable.
 */
import { join } from 'node:path';
import { createIngest, type Ingest } from '../../pipeline/ingest/ingest.ts';
import { openSpool, type Spool } from '../../spool/spool.ts';
import type { AppContext } from '../app-context.ts';

export type IngestContext = Pick<
  AppContext,
  | 'accept'
  | 'accounts'
  | 'catalogue'
  | 'clock'
  | 'config'
  | 'due'
  | 'log'
  | 'metrics'
  | 'shutdown'
  | 'health'
  | 'tracer'
>;

/** Opens the ingest, and replays the records that an earlier run or a process that died left in the spool. */
export async function openIngest(parts: IngestContext): Promise<Ingest> {
  const { log, shutdown, health } = parts;
  const spool = await openSpoolIfPossible(parts);
  const ingest = createIngest({
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
  const running = ingest.run(shutdown.signal);
  shutdown.step('spool', async () => {
    await running;
    await spool?.close();
  });
  const { spool: left } = ingest.state;
  if (left && left.records > 0) log.info(left, 'spool: contains records of an earlier run');
  return ingest;
}

/** Opens the spool. An error does not prevent the start: it is logged, and a check reports it. */
async function openSpoolIfPossible({ config, log, metrics }: IngestContext): Promise<Spool | undefined> {
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
      'spool: not usable, callbacks are refused while the database is unavailable; allow this user to write to DATA_DIR',
    );
    return undefined;
  }
}
