/** Opens the connection pools of catalogue and queue to the real or the embedded database. */
import { join } from 'node:path';
import type { PoolLike } from '../catalogue/database/database.ts';
import { createPostgresPool } from '../catalogue/database/postgres.ts';
import type { Config } from '../config/config.ts';
import { openEmbeddedDatabase } from '../embedded/database/database.ts';
import type { QueueBackend } from '../queue/backend.ts';
import { lockFolder } from '../runtime/disk/folder-lock.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { secureContextOf } from '../runtime/network/tls-context.ts';
import type { Shutdown } from '../runtime/shutdown.ts';

const CATALOGUE_CONNECTIONS = 10;
const QUEUE_CONNECTIONS = 6;

export interface Pools {
  readonly catalogue: PoolLike;
  readonly queue: QueueBackend;
}

/** Locks DATA_DIR if database or store is embedded. Rejects with FolderInUseError if another process has the lock. */
export async function lockDataFolder(config: Config, shutdown: Pick<Shutdown, 'step'>): Promise<void> {
  const { shape, dataFolder } = config;
  if (shape.database !== 'embedded' && shape.store !== 'embedded') return;
  const lock = await lockFolder(dataFolder);
  shutdown.step('folder lock', () => lock.release());
}

/** Opens the pools. DATA_DIR must be locked. */
export async function openPools(
  config: Config,
  deps: { log: Log; metrics: Metrics; shutdown: Shutdown },
): Promise<Pools> {
  const { log, metrics, shutdown } = deps;
  const { shape, database, queue, redis } = config;
  const { prefix, schema } = queue;
  if (shape.database === 'embedded' || !database.url) {
    const embedded = await openEmbeddedDatabase({
      folder: join(config.dataFolder, 'database'),
      log,
      metrics,
      // A power failure may lose messages of a simulated account, but never those of a real one.
      fsync: shape.wechat === 'real',
      searchPath: `${schema},public`,
    });
    shutdown.step('database', () => embedded.close());
    return { catalogue: embedded.pool, queue: { kind: 'postgres', pool: embedded.pool, prefix, schema } };
  }
  const open = (use: 'catalogue' | 'queue', searchPath: string, maxConnections: number) => {
    const pool = createPostgresPool({ url: database.url!, searchPath, maxConnections, log, use });
    shutdown.step(`${use} connections`, () => pool.end());
    return pool;
  };
  const catalogue = open('catalogue', database.schema, CATALOGUE_CONNECTIONS);
  if (redis.url) {
    const secureContext = secureContextOf(config.authorities.redis);
    return { catalogue, queue: { kind: 'redis', url: redis.url, prefix, secureContext } };
  }
  // The queue has a separate pool: a slow list query of the catalogue must not delay the statement that renews a job's
  // lock.
  const pool = open('queue', schema, QUEUE_CONNECTIONS);
  return { catalogue, queue: { kind: 'postgres', pool, prefix, schema } };
}
