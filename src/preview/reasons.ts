/** Why an item has no preview, in both languages. The codes are public. */

interface Reason {
  /** `unsupported`: no file of this format has a preview. `refused`: this file has none. */
  readonly kind: 'unsupported' | 'refused';
  readonly message: { readonly en: string; readonly zh: string };
}

const unsupported = (en: string, zh: string): Reason => ({ kind: 'unsupported', message: { en, zh } });
const refused = (en: string, zh: string): Reason => ({ kind: 'refused', message: { en, zh } });

export const PREVIEW_REASONS = {
  browser_plays: unsupported(
    'Browsers play this sound themselves: /content has it, and a preview would be the same.',
    '浏览器可直接播放该音频，请使用 /content，无需预览。',
  ),
  video: unsupported(
    'A video has no preview: browsers play it from /content, and its picture, if WeChat sent one, is the item of kind thumb whose parentId names it.',
    '视频没有预览：浏览器可通过 /content 直接播放，其封面（如有）是 parentId 指向它的 thumb 素材。',
  ),
  picture_format: unsupported(
    'There are previews of JPEG, PNG, WebP and GIF only. This picture has another format: download it.',
    '仅支持 JPEG、PNG、WebP 和 GIF 图片的预览；该图片为其他格式，请下载查看。',
  ),
  speex: unsupported(
    'This voice is Speex, which no browser plays. Download it and open it with a player that knows Speex, such as VLC.',
    '该语音为 Speex 格式，浏览器无法播放。请下载后用支持 Speex 的播放器（如 VLC）打开。',
  ),
  jssdk_speex: unsupported(
    "This is the high-definition voice of the JS-SDK: Speex in Tencent's own framing, which no browser and no usual player opens. Download it and decode it with Tencent's program. If it has a parentId, that item is the same voice in another format.",
    '这是 JS-SDK 的高清语音：腾讯自有封装的 Speex，浏览器和常见播放器均无法打开。请下载后用腾讯提供的程序解码；若有 parentId，该素材即同一语音的其他格式。',
  ),
  no_preview: unsupported(
    'Files of this type have no preview: download the file.',
    '该类型的文件没有预览，请下载查看。',
  ),
  too_large: refused(
    'The file is too large for a preview: voices up to 4 MiB and pictures up to 32 MiB are converted.',
    '文件过大，无法生成预览：仅转换不超过 4 MiB 的语音和不超过 32 MiB 的图片。',
  ),
  too_long: refused(
    'The voice is longer than ten minutes and is not converted.',
    '语音超过十分钟，不予转换。',
  ),
  too_many_pixels: refused(
    'The picture has more than 50 million pixels and is not decoded.',
    '图片超过 5000 万像素，不予解码。',
  ),
  damaged: refused(
    'The file is damaged or does not contain what its first bytes promise: the decoder cannot read it.',
    '文件已损坏，或内容与文件头不符，解码器无法读取。',
  ),
  not_as_archived: refused(
    'The object in the bucket is not the file that was archived: its length or sha256 differs. wma verify reports it.',
    '存储桶中的对象与归档时的文件不一致（长度或 sha256 不同）；wma verify 会报告该问题。',
  ),
  too_slow: refused('The conversion took too long and was stopped.', '转换耗时过长，已被终止。'),
  too_much_memory: refused(
    'The conversion needed too much memory and was stopped.',
    '转换占用内存过多，已被终止。',
  ),
  decoder_crashed: refused(
    'The decoder crashed on this file. It ran in a process of its own, so nothing else was affected.',
    '解码器在处理该文件时崩溃。解码在独立进程中进行，其他功能不受影响。',
  ),
} as const satisfies Record<string, Reason>;

export type PreviewReason = keyof typeof PREVIEW_REASONS;

export const isPreviewReason = (code: unknown): code is PreviewReason =>
  typeof code === 'string' && Object.hasOwn(PREVIEW_REASONS, code);

/** The content of the item was refused. The reason has kind `refused`. */
export class PreviewRefusedError extends Error {
  override readonly name = 'PreviewRefusedError';
  readonly reason: PreviewReason;
  constructor(reason: PreviewReason, options: { cause?: unknown } = {}) {
    super(`preview refused: ${reason}`, options);
    this.reason = reason;
  }
}

/**
 * There is no preview now, for a reason that is not in the file. `busy`: too many conversions wait. `failed`: the
 * process that converts could not start, or was ended from outside.
 */
export class PreviewUnavailableError extends Error {
  override readonly name = 'PreviewUnavailableError';
  readonly why: 'busy' | 'failed';
  constructor(why: 'busy' | 'failed', options: { cause?: unknown } = {}) {
    super(`preview unavailable: ${why}`, options);
    this.why = why;
  }
}
