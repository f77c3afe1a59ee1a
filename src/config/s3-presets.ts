/** The endpoints and addressing styles of S3 vendors, according to their documentation. */

export const ADDRESSINGS = ['virtual', 'path', 'cname'] as const;
/** `virtual`: bucket.host/key; `path`: host/bucket/key; `cname`: the endpoint's host is the bucket. */
export type Addressing = (typeof ADDRESSINGS)[number];

export interface S3Preset {
  /** May contain the placeholders `{region}` and `{account}`; absent for self-hosted stores. */
  readonly endpoint?: string;
  readonly addressing: Addressing;
  /** Set if any region works, or only this one. */
  readonly region?: string;
  readonly notes: string;
}

export const S3_PRESETS = {
  aws: {
    endpoint: 'https://s3.{region}.amazonaws.com',
    addressing: 'virtual',
    notes: 'Regions of China (cn-…) get amazonaws.com.cn.',
  },
  'aliyun-oss': {
    endpoint: 'https://s3.oss-{region}.aliyuncs.com',
    addressing: 'virtual',
    notes: 'Path style is refused (SecondLevelDomainForbidden); mainland buckets may need a custom domain.',
  },
  'tencent-cos': {
    endpoint: 'https://cos.{region}.myqcloud.com',
    addressing: 'virtual',
    notes: "The bucket's name is name-APPID; path style is refused for buckets created since 2024.",
  },
  'huawei-obs': {
    endpoint: 'https://obs.{region}.myhuaweicloud.com',
    addressing: 'virtual',
    notes: 'With path style HEAD returns 200 and PUT 404.',
  },
  'volc-tos': {
    endpoint: 'https://tos-s3-{region}.volces.com',
    addressing: 'virtual',
    notes: 'The domain without `s3` does not support S3.',
  },
  'qiniu-kodo': {
    endpoint: 'https://s3.{region}.qiniucs.com',
    addressing: 'path',
    notes: 'No server-side encryption.',
  },
  'cloudflare-r2': {
    endpoint: 'https://{account}.r2.cloudflarestorage.com',
    addressing: 'path',
    region: 'auto',
    notes: 'The endpoint contains the account id: set S3_ENDPOINT.',
  },
  'backblaze-b2': {
    endpoint: 'https://s3.{region}.backblazeb2.com',
    addressing: 'virtual',
    notes: 'Either addressing works.',
  },
  minio: { addressing: 'path', region: 'us-east-1', notes: 'The community edition is no longer maintained.' },
  seaweedfs: { addressing: 'path', region: 'us-east-1', notes: 'Any region.' },
  garage: { addressing: 'path', region: 'garage', notes: "The region must be the server's `s3_region`." },
  'ceph-rgw': { addressing: 'path', region: 'us-east-1', notes: 'Any region.' },
} as const satisfies Record<string, S3Preset>;

export type S3PresetName = keyof typeof S3_PRESETS;
export const S3_PRESET_NAMES = Object.keys(S3_PRESETS) as S3PresetName[];

/** Returns the preset's endpoint in a region, or undefined if the preset does not determine it. */
export function presetEndpoint(name: S3PresetName, region: string): string | undefined {
  const { endpoint }: S3Preset = S3_PRESETS[name];
  if (!endpoint || endpoint.includes('{account}')) return undefined;
  const filled = endpoint.replace('{region}', region);
  return name === 'aws' && region.startsWith('cn-') ? `${filled}.cn` : filled;
}

/**
 * Returns the vendor of an endpoint, and its region if the endpoint contains it. So S3_ENDPOINT alone is enough for the
 * correct addressing.
 */
export function readEndpoint(endpoint: string): { preset?: S3PresetName; region?: string } {
  const { hostname } = new URL(endpoint);
  for (const name of S3_PRESET_NAMES) {
    const template = (S3_PRESETS[name] as S3Preset).endpoint?.replace('https://', '');
    const [, domain] = template?.split('}') ?? [];
    const host = hostname.replace(/\.cn$/, '');
    if (!template || !domain || !host.endsWith(domain)) continue;
    const [before, after] = template.split('{region}');
    const region = after && host.startsWith(before!) && host.slice(before!.length, -after.length);
    return region && !region.includes('.') ? { preset: name, region } : { preset: name };
  }
  return {};
}
