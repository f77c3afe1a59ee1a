/** Opens the previews of a server: converter processes, the cache in DATA_DIR, and the loop that removes erased items. */
import { join } from 'node:path';
import { createPreviewCache } from '../../preview/cache/preview-cache.ts';
import { CONVERTER_LIMITS, type ConverterLimits } from '../../preview/limits.ts';
import { createPreviews, type Previews } from '../../preview/previews.ts';
import { createConverterPool } from '../../preview/process/converter-pool.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import type { RepeatedLog } from '../../runtime/repeated-log.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';
import type { AppContext } from '../app-context.ts';

export type PreviewContext = Pick<
  AppContext,
  'budget' | 'catalogue' | 'config' | 'lifetimes' | 'log' | 'metrics' | 'shutdown' | 'store'
>;

export interface RunningPreviews extends Previews {
  /** Removes the previews of items that are not archived any more, at once and not only at the next minute. */
  removeErased(): void;
}

/** Two conversions at once leave a core to the callbacks on a small machine; a page of the dashboard asks for 24. */
const POOL = { running: 2, waiting: 48, waitMs: 20_000, idleMs: 60_000 };
/** How long the preview of an item that another server erased may stay on this server's disk. */
const ERASED_CHECK_MS = 60_000;
const IDS_PER_QUERY = 1_000;

/** `limits`: for tests, where a hostile file must not take as long as it may. */
export function openPreviews(
  context: PreviewContext,
  repeatedLog: RepeatedLog,
  limits: ConverterLimits = CONVERTER_LIMITS,
): RunningPreviews {
  const { catalogue, config, log, metrics, shutdown } = context;
  const cache = createPreviewCache({
    folder: join(config.dataFolder, 'previews'),
    limitBytes: config.previews.cacheBytes,
    log,
    onChange: (bytes) => metrics.previewCacheBytes.set(bytes),
  });
  const pool = createConverterPool({ ...POOL, limits });
  const previews = createPreviews({ ...context, cache, pool, repeatedLog, signal: shutdown.signal });

  /** Removes what is not archived: erased rows above all, and rows of another catalogue. */
  async function removeErased(signal: AbortSignal): Promise<void> {
    const cached = await cache.ids();
    for (let at = 0; at < cached.length && !signal.aborted; at += IDS_PER_QUERY) {
      const ids = cached.slice(at, at + IDS_PER_QUERY);
      const archived = new Set(await catalogue.media.archivedAmong(ids));
      await cache.remove(ids.filter((id) => !archived.has(id)));
    }
  }

  const wakeSignal = createWakeSignal();
  const loop = createPollLoop({
    name: 'preview-cache',
    everyMs: context.lifetimes.scale(ERASED_CHECK_MS),
    jitter: 0.1,
    work: removeErased,
    wakeSignal,
    log,
    metrics,
  });
  const running = loop.run(shutdown.signal);
  shutdown.step('previews', async () => {
    await pool.close();
    await running;
  });
  return { get: previews.get, removeErased: wakeSignal.notify };
}
