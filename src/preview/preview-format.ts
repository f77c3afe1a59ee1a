/** Which items have a preview, decided from the row alone. */
import type { Kind } from '../media.ts';
import type { PreviewReason } from './reasons.ts';

export type PreviewFormat = 'voice' | 'picture';

/** What a preview is sent as, and the extension of its file in the cache. */
export const PREVIEW_TYPES = {
  voice: { contentType: 'audio/wav', extension: 'wav' },
  picture: { contentType: 'image/webp', extension: 'webp' },
} as const satisfies Record<PreviewFormat, { contentType: string; extension: string }>;

/** The part of a row that decides. */
export interface PreviewSource {
  readonly contentType?: string | undefined;
  readonly kind?: Kind | undefined;
  readonly variant?: '16k' | 'jssdk' | undefined;
  readonly objectKey?: string | undefined;
}

const FORMATS: Readonly<Record<string, PreviewFormat>> = {
  'audio/amr': 'voice',
  'audio/amr-wb': 'voice',
  'audio/silk': 'voice',
  'image/jpeg': 'picture',
  'image/png': 'picture',
  'image/webp': 'picture',
  'image/gif': 'picture',
};

const PLAYED_BY_BROWSERS: ReadonlySet<string> = new Set([
  'audio/mpeg',
  'audio/mp4',
  'audio/x-m4a',
  'audio/aac',
  'audio/wav',
  'audio/ogg',
  'audio/flac',
]);

/**
 * Returns the format of the preview, or the reason why there is none. The content type is the one that was sniffed when
 * the item was archived; the converter compares it with the bytes again.
 */
export function previewFormatOf(source: PreviewSource): PreviewFormat | { readonly reason: PreviewReason } {
  const contentType = (source.contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const format = FORMATS[contentType];
  if (format) return format;
  return { reason: reasonOf(source, contentType) };
}

function reasonOf({ kind, variant, objectKey = '' }: PreviewSource, contentType: string): PreviewReason {
  // Ogg contains Speex, Vorbis or Opus under one type; sniffing gave Speex an extension of its own.
  if (contentType === 'audio/speex' || objectKey.endsWith('.spx')) return 'speex';
  if (PLAYED_BY_BROWSERS.has(contentType)) return 'browser_plays';
  if (contentType.startsWith('video/')) return 'video';
  if (variant === 'jssdk' && kind === 'voice') return 'jssdk_speex';
  if (contentType.startsWith('image/')) return 'picture_format';
  return 'no_preview';
}
