/** Derives the endpoint, the addressing style and the pair of keys from the S3_… and AWS_… variables. */
import { type Addressing, presetEndpoint, readEndpoint, S3_PRESETS, type S3Preset } from './s3-presets.ts';
import type { ReadEnvironment, ReportMistake } from './values/environment.ts';

export interface S3Settings {
  readonly bucket: string;
  /** Without the bucket and without a trailing slash; for `cname` the host that is the bucket. */
  readonly endpoint: string;
  /** The endpoint in signed links; default: `endpoint`. */
  readonly publicEndpoint: string;
  readonly region: string;
  readonly addressing: Addressing;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** Returns undefined if the store is embedded, or after a reported mistake. */
export function s3Settings(
  { values, isSet }: ReadEnvironment,
  report: ReportMistake,
): S3Settings | undefined {
  if (!isSet('S3_BUCKET')) {
    // Otherwise a forgotten bucket would silently store media items on the local disk.
    const alone = (['S3_ENDPOINT', 'S3_PRESET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const).find(
      isSet,
    );
    if (alone) report('S3_BUCKET', `is missing, although ${alone} is set`);
    return undefined;
  }
  const place = placeOf({ values, isSet }, report);
  const keys = keysOf({ values, isSet }, report);
  return place && keys && values.S3_BUCKET ? { bucket: values.S3_BUCKET, ...place, ...keys } : undefined;
}

type Read = Pick<ReadEnvironment, 'values' | 'isSet'>;

function placeOf({ values, isSet }: Read, report: ReportMistake) {
  const fixed = values.S3_ENDPOINT;
  const seen = fixed ? readEndpoint(fixed) : {};
  const name = values.S3_PRESET ?? (isSet('S3_ENDPOINT') ? seen.preset : 'aws');
  const preset: S3Preset | undefined = name && S3_PRESETS[name];
  const addressing = values.S3_ADDRESSING ?? preset?.addressing ?? 'path';
  const configured = values.S3_REGION ?? values.AWS_REGION;
  const region = configured ?? seen.region ?? preset?.region ?? 'us-east-1';
  if ((isSet('S3_ENDPOINT') && !fixed) || (isSet('S3_PRESET') && !values.S3_PRESET)) return undefined;
  if (!fixed && addressing === 'cname') {
    report('S3_ENDPOINT', 'is missing: S3_ADDRESSING=cname needs the host that is the bucket');
    return undefined;
  }
  if (!fixed && preset?.endpoint?.includes('{region}') && !configured) {
    if (!isSet('S3_REGION')) report('S3_REGION', `is missing: the endpoint of ${name} contains it`);
    return undefined;
  }
  const endpoint = fixed ?? (name && presetEndpoint(name, region));
  if (!endpoint) {
    report(
      'S3_ENDPOINT',
      `is missing: S3_PRESET=${name} does not determine it${preset?.endpoint ? ` (${preset.endpoint})` : ''}`,
    );
    return undefined;
  }
  return { endpoint, publicEndpoint: values.S3_PUBLIC_ENDPOINT ?? endpoint, region, addressing };
}

/** Returns one complete pair, never the id of one and the secret of another. */
function keysOf({ values, isSet }: Read, report: ReportMistake) {
  const own = isSet('S3_ACCESS_KEY_ID') || isSet('S3_SECRET_ACCESS_KEY');
  const aws = isSet('AWS_ACCESS_KEY_ID') && isSet('AWS_SECRET_ACCESS_KEY');
  if (own || !aws) {
    for (const name of ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const) {
      if (!isSet(name))
        report(
          name,
          own
            ? 'is missing, although the other half of the pair is set'
            : 'is missing, although S3_BUCKET is set',
        );
    }
  }
  const accessKeyId = own ? values.S3_ACCESS_KEY_ID : values.AWS_ACCESS_KEY_ID;
  const secretAccessKey = own ? values.S3_SECRET_ACCESS_KEY : values.AWS_SECRET_ACCESS_KEY;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: own ? undefined : values.AWS_SESSION_TOKEN };
}
