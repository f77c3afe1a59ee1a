/** A variant of moving a file from WeChat to the store: the program, a floor, or the naive one. */
export interface File {
  /** A media id of wechat-stand-in.ts, with kind, size and how the body ends. */
  readonly mediaId: string;
  readonly sizeBytes: number;
  readonly kind: 'image' | 'video';
}

export interface Way {
  /** Resolves when the file is stored. */
  move(file: File): Promise<void>;
}

export type OpenVariant = (ends: { originUrl: string; sinkUrl: string }) => Way;

export const BUCKET = 'bench';
export const REGION = 'us-east-1';
export const KEYS = { accessKeyId: 'BENCHACCESSKEY', secretAccessKey: 'bench-secret-access-key' };

export const sourceUrl = (originUrl: string, file: File): string =>
  `${originUrl}/cgi-bin/media/get?access_token=benchmark-access-token&media_id=${file.mediaId}`;
