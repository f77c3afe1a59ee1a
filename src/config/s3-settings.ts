/** From S3_… and AWS_… to one endpoint, one addressing, one pair of keys. */

import { type Addressing, presetEndpoint, readEndpoint, S3_PRESETS, type S3Preset } from './s3-presets.ts';
import type { ReadEnvironment, Say } from './values/environment.ts';

export interface S3Settings {
  readonly bucket: string;
  /** Without the bucket, without a trailing slash; for `cname` the host that is the bucket. */
  readonly endpoint: string;
  /** What signed links name; the endpoint unless set. */
  readonly publicEndpoint: string;
  readonly region: string;
  readonly addressing: Addressing;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** Undefined where the store is embedded, or after a mistake that was said. */
export function s3Settings({ values, given }: ReadEnvironment, say: Say): S3Settings | undefined {
  if (!given('S3_BUCKET')) {
    // Otherwise a forgotten bucket would send media to the local disk in silence.
    const alone = (['S3_ENDPOINT', 'S3_PRESET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const).find(
      given,
    );
    if (alone) say('S3_BUCKET', `is missing, although ${alone} is set`);
    return undefined;
  }
  const place = placeOf({ values, given }, say);
  const keys = keysOf({ values, given }, say);
  return place && keys && values.S3_BUCKET ? { bucket: values.S3_BUCKET, ...place, ...keys } : undefined;
}

type Read = Pick<ReadEnvironment, 'values' | 'given'>;

function placeOf({ values, given }: Read, say: Say) {
  const fixed = values.S3_ENDPOINT;
  const seen = fixed ? readEndpoint(fixed) : {};
  const name = values.S3_PRESET ?? (given('S3_ENDPOINT') ? seen.preset : 'aws');
  const preset: S3Preset | undefined = name && S3_PRESETS[name];
  const addressing = values.S3_ADDRESSING ?? preset?.addressing ?? 'path';
  const configured = values.S3_REGION ?? values.AWS_REGION;
  const region = configured ?? seen.region ?? preset?.region ?? 'us-east-1';
  if ((given('S3_ENDPOINT') && !fixed) || (given('S3_PRESET') && !values.S3_PRESET)) return undefined;
  if (!fixed && addressing === 'cname') {
    say('S3_ENDPOINT', 'is missing: S3_ADDRESSING=cname needs the host that is the bucket');
    return undefined;
  }
  if (!fixed && preset?.endpoint?.includes('{region}') && !configured) {
    if (!given('S3_REGION')) say('S3_REGION', `is missing: the endpoint of ${name} is made from it`);
    return undefined;
  }
  const endpoint = fixed ?? (name && presetEndpoint(name, region));
  if (!endpoint) {
    say(
      'S3_ENDPOINT',
      `is missing: S3_PRESET=${name} leaves it open${preset?.endpoint ? ` (${preset.endpoint})` : ''}`,
    );
    return undefined;
  }
  return { endpoint, publicEndpoint: values.S3_PUBLIC_ENDPOINT ?? endpoint, region, addressing };
}

/** One complete pair; never the id of one and the secret of the other. */
function keysOf({ values, given }: Read, say: Say) {
  const own = given('S3_ACCESS_KEY_ID') || given('S3_SECRET_ACCESS_KEY');
  const aws = given('AWS_ACCESS_KEY_ID') && given('AWS_SECRET_ACCESS_KEY');
  if (own || !aws) {
    for (const name of ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const) {
      if (!given(name))
        say(name, own ? 'is missing beside its other half' : 'is missing, although S3_BUCKET is set');
    }
  }
  const accessKeyId = own ? values.S3_ACCESS_KEY_ID : values.AWS_ACCESS_KEY_ID;
  const secretAccessKey = own ? values.S3_SECRET_ACCESS_KEY : values.AWS_SECRET_ACCESS_KEY;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: own ? undefined : values.AWS_SESSION_TOKEN };
}
