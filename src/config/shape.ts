/**
 * Determines which parts are real and which are embedded. Two variables decide for catalogue and queue, one for the
 * store.
 */
import type { ReadEnvironment, ReportMistake } from './values/environment.ts';

export interface Shape {
  readonly database: 'embedded' | 'postgres';
  readonly queue: 'embedded' | 'postgres' | 'redis';
  readonly store: 'embedded' | 's3';
  readonly wechat: 'simulated' | 'real';
}

export function shapeOf({ isSet }: Pick<ReadEnvironment, 'isSet'>): Shape {
  const database = isSet('DATABASE_URL') ? 'postgres' : 'embedded';
  return {
    database,
    queue: isSet('REDIS_URL') ? 'redis' : database,
    store: isSet('S3_BUCKET') ? 's3' : 'embedded',
    wechat: isSet('WECHAT_APP_ID') || isSet('ACCOUNTS_FILE') ? 'real' : 'simulated',
  };
}

/** Reports combinations that are mistakes: embedded or simulated parts together with real ones, or in production. */
export function checkShape(
  { isSet, values }: ReadEnvironment,
  shape: Shape,
  production: boolean,
  report: ReportMistake,
): void {
  const real = shape.wechat === 'real';
  if (shape.queue === 'redis' && shape.database === 'embedded') {
    report('DATABASE_URL', 'is missing: REDIS_URL is only the queue, which requires a catalogue in Postgres');
  }
  if (!real && (shape.database === 'postgres' || shape.store === 's3')) {
    const real = shape.database === 'postgres' ? 'DATABASE_URL' : 'S3_BUCKET';
    report(
      'WECHAT_APP_ID',
      `is missing (or ACCOUNTS_FILE): ${real} is set, but the simulated WeChat cannot be used with real parts`,
    );
  }
  const why = real ? 'a real account' : 'NODE_ENV=production';
  if ((real || production) && !values.ALLOW_EMBEDDED) {
    const embedded = (what: string) => `is missing: ${why} on the embedded ${what} requires ALLOW_EMBEDDED=1`;
    if (shape.database === 'embedded' && shape.queue !== 'redis')
      report('DATABASE_URL', embedded('database'));
    if (shape.store === 'embedded') report('S3_BUCKET', embedded('store'));
  }
  if (production && !isSet('API_KEYS'))
    report('API_KEYS', 'is missing: production does not start without it');
}
