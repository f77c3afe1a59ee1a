/** What is known of the vendors of S3-compatible storage, as data. From their documentation; see docs. */

/** Where the bucket's name goes: into the host name, into the path, or nowhere (the host is the bucket). */
export const ADDRESSINGS = ['virtual', 'path', 'cname'] as const;
export type Addressing = (typeof ADDRESSINGS)[number];

export interface Preset {
  /** `{region}` is filled in. Absent: only the operator knows the endpoint. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly addressing: Addressing;
  /** Header that makes a PUT fail where the object exists, where the vendor has one. */
  readonly forbidOverwrite?: { readonly [header: string]: string };
  /** ListMultipartUploads is there: orphans of other programs can be seen. */
  readonly listsMultipart: boolean;
  /** What surprises people. */
  readonly note?: string;
}

const IF_NONE_MATCH = { 'if-none-match': '*' };

export const PRESETS = {
  aws: {
    endpoint: 'https://s3.{region}.amazonaws.com',
    addressing: 'virtual',
    forbidOverwrite: IF_NONE_MATCH,
    listsMultipart: true,
    note: 'In the China regions the endpoint ends in .amazonaws.com.cn: set S3_ENDPOINT.',
  },
  'aliyun-oss': {
    endpoint: 'https://s3.oss-{region}.aliyuncs.com',
    addressing: 'virtual',
    forbidOverwrite: { 'x-oss-forbid-overwrite': 'true' },
    listsMultipart: false,
    note: 'In mainland regions data calls may need a domain of your own: S3_ADDRESSING=cname.',
  },
  'tencent-cos': {
    endpoint: 'https://cos.{region}.myqcloud.com',
    addressing: 'virtual',
    forbidOverwrite: { 'x-cos-forbid-overwrite': 'true' },
    listsMultipart: true,
    note: 'The bucket is name-APPID.',
  },
  'huawei-obs': {
    endpoint: 'https://obs.{region}.myhuaweicloud.com',
    addressing: 'virtual',
    listsMultipart: true,
    note: 'With path addressing HEAD works and PUT answers 404.',
  },
  'volc-tos': {
    endpoint: 'https://tos-s3-{region}.volces.com',
    addressing: 'virtual',
    listsMultipart: true,
    note: 'The domain without -s3 does not speak S3.',
  },
  'qiniu-kodo': { endpoint: 'https://s3.{region}.qiniucs.com', addressing: 'path', listsMultipart: true },
  'cloudflare-r2': {
    region: 'auto',
    addressing: 'path',
    forbidOverwrite: IF_NONE_MATCH,
    listsMultipart: true,
    note: 'S3_ENDPOINT is https://ACCOUNT.r2.cloudflarestorage.com.',
  },
  'backblaze-b2': {
    endpoint: 'https://s3.{region}.backblazeb2.com',
    addressing: 'virtual',
    listsMultipart: true,
  },
  minio: { region: 'us-east-1', addressing: 'path', forbidOverwrite: IF_NONE_MATCH, listsMultipart: true },
  seaweedfs: { region: 'us-east-1', addressing: 'path', listsMultipart: true },
  garage: {
    region: 'garage',
    addressing: 'path',
    listsMultipart: true,
    note: 'The region must be the one of its configuration.',
  },
  'ceph-rgw': { region: 'default', addressing: 'path', listsMultipart: true },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The preset's endpoint in this region; undefined where the operator has to say it. */
export function endpointOf(preset: Preset, region: string): string | undefined {
  return preset.endpoint?.replace('{region}', region);
}
