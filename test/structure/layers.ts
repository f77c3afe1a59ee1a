/** The architecture as data: what the structure test enforces and docs/architecture.md draws. */

/** The files that lie flat in src/: what the service is about, without a socket, a table or a bucket. */
export const DOMAIN = 'domain';
const FOUNDATION = [DOMAIN, 'runtime', 'config'];

/** Each speaks one protocol; none knows another. */
export const ADAPTERS = ['wechat', 'storage', 'catalogue', 'queue', 'embedded', 'spool', 'preview'];
const SERVICE = [...FOUNDATION, ...ADAPTERS, 'pipeline'];
const APP = [...SERVICE, 'app'];

/** The layers a layer may import besides itself, lowest first. A folder that is not listed has no place in src/. */
export const LAYERS: Record<string, readonly string[]> = {
  [DOMAIN]: [],
  runtime: [DOMAIN],
  config: [DOMAIN, 'runtime'],
  ...Object.fromEntries(ADAPTERS.map((adapter) => [adapter, FOUNDATION])),
  pipeline: [...FOUNDATION, ...ADAPTERS],
  app: SERVICE,
  simulator: [DOMAIN, 'runtime'],
  server: APP,
  cli: APP,
  workers: APP,
  producer: [...FOUNDATION, 'wechat', 'catalogue', 'queue'],
  demo: [...APP, 'simulator'],
  main: [...APP, 'server', 'simulator'],
};

/**
 * The order of sibling folders: a folder imports only from those to its left. Files beside the folders (`.`) are
 * free where they are not listed: circles of files are refused anyway.
 */
export const SIBLINGS: Record<string, readonly string[]> = {
  'src/runtime': ['text', '.', 'concurrency', 'disk', 'network', 'tracing'],
  'src/config': ['values', 'webhooks', 'accounts', 'traces'],
  'src/wechat': ['http', 'api', 'tokens', 'media', 'callback', 'customer-service'],
  'src/storage': ['http', 'upload'],
  'src/catalogue': [
    'database',
    'audit-log',
    'events',
    'erasure',
    'alerts',
    'processes',
    'media',
    'accounts',
    'queue',
    'history',
    'redrive',
    'verification',
    'webhooks',
  ],
  'src/embedded': ['database', 's3'],
  'src/embedded/s3': ['protocol', 'files', 'operations'],
  'src/preview': ['converter', 'process', 'cache'],
  'src/app': ['webhooks', 'server-parts'],
  'src/pipeline': [
    'views',
    'dispatch',
    'ingest',
    'archive',
    'maintenance',
    'verify',
    'export',
    'events',
    'webhooks',
    'checks',
    'alerts',
  ],
  'src/server': ['auth', 'callbacks', 'start', 'views', 'openapi', 'routes', 'dashboard'],
  'src/server/dashboard': ['browser', 'core', 'texts', 'components', 'pages'],
  'src/server/dashboard/pages': ['media', 'acts', 'operations', 'webhooks', 'overview'],
  'src/server/routes': ['dead-letters', 'media', 'operations', 'webhooks', 'events', 'pages'],
  'src/simulator': ['media', 'accounts', 'http', 'faults', 'api', 'callbacks'],
};
