/** Which parts are real and which embedded: two variables for the catalogue and the queue, one for the store. */
import type { ReadEnvironment, Say } from './values/environment.ts';

export interface Shape {
  readonly database: 'embedded' | 'postgres';
  readonly queue: 'embedded' | 'postgres' | 'redis';
  readonly store: 'embedded' | 's3';
  readonly wechat: 'simulated' | 'real';
}

export function shapeOf({ given }: Pick<ReadEnvironment, 'given'>): Shape {
  const database = given('DATABASE_URL') ? 'postgres' : 'embedded';
  return {
    database,
    queue: given('REDIS_URL') ? 'redis' : database,
    store: given('S3_BUCKET') ? 's3' : 'embedded',
    wechat: given('WECHAT_APP_ID') || given('ACCOUNTS_FILE') ? 'real' : 'simulated',
  };
}

/** Embedded and simulated parts never mix with real ones, or with production, by oversight. */
export function checkShape(
  { given, values }: ReadEnvironment,
  shape: Shape,
  production: boolean,
  say: Say,
): void {
  const real = shape.wechat === 'real';
  if (shape.queue === 'redis' && shape.database === 'embedded') {
    say('DATABASE_URL', 'is missing: REDIS_URL holds the queue only, and needs a catalogue beside it');
  }
  if (!real && (shape.database === 'postgres' || shape.store === 's3')) {
    const real = shape.database === 'postgres' ? 'DATABASE_URL' : 'S3_BUCKET';
    say(
      'WECHAT_APP_ID',
      `is missing (or ACCOUNTS_FILE): ${real} is set, and the simulated WeChat never meets real parts`,
    );
  }
  const why = real ? 'a real account' : 'NODE_ENV=production';
  if ((real || production) && !values.ALLOW_EMBEDDED) {
    const embedded = (what: string) => `is missing: ${why} on the embedded ${what} needs ALLOW_EMBEDDED=1`;
    if (shape.database === 'embedded' && shape.queue !== 'redis') say('DATABASE_URL', embedded('database'));
    if (shape.store === 'embedded') say('S3_BUCKET', embedded('store'));
  }
  if (production && !given('API_KEYS')) say('API_KEYS', 'is missing: production does not start without');
}
