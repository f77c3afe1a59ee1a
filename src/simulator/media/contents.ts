/** Makes the file of a recipe: always the same bytes for the same recipe. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pdfOf, smallFileOf } from './files.ts';
import { type MediaRecipe, readMediaId } from './media-id.ts';
import { pictureOf } from './pictures.ts';
import { videoOf } from './videos.ts';
import { hdVoiceOf, silkVoiceOf, voiceOf } from './voices.ts';

export interface Content {
  readonly contentType: string;
  /** Without the dot. */
  readonly extension: string;
  /** The sender's name of the file, with the extension; only WeCom's files have one. */
  readonly fileName?: string;
  readonly sizeBytes: number;
  chunks(): Iterable<Buffer>;
}

const whole = (contentType: string, extension: string, bytes: Buffer): Content => ({
  contentType,
  extension,
  sizeBytes: bytes.length,
  chunks: () => [bytes],
});

/** `jssdk`: as /media/get/jssdk returns it. */
export type Rendition = 'plain' | 'jssdk';

export function contentOf(
  recipe: Pick<MediaRecipe, 'kind' | 'seed' | 'sizeBytes'>,
  rendition: Rendition = 'plain',
): Content {
  const { kind, seed, sizeBytes } = recipe;
  switch (kind) {
    case 'silkVoice':
      return whole('audio/amr', 'amr', silkVoiceOf(seed, sizeBytes));
    case 'jssdkVoice':
      return rendition === 'jssdk'
        ? whole('voice/speex', 'speex', hdVoiceOf(seed, sizeBytes))
        : whole('audio/amr', 'amr', voiceOf('voice', seed, sizeBytes).bytes);
    case 'file':
      return { contentType: 'application/octet-stream', extension: 'pdf', ...pdfOf(seed, sizeBytes) };
    case 'jsonFile':
    case 'htmlFile': {
      const { contentType, extension, fileName, bytes } = smallFileOf(kind, seed);
      return { ...whole(contentType, extension, bytes), fileName };
    }
    case 'image':
    case 'thumb': {
      const picture = pictureOf(kind, seed, sizeBytes);
      return whole(picture.contentType, picture.extension, picture.bytes);
    }
    case 'voice':
    case 'voice16k': {
      // WeChat sends both as audio/amr with the extension .amr.
      return whole('audio/amr', 'amr', voiceOf(kind, seed, sizeBytes).bytes);
    }
    case 'video':
    case 'shortvideo':
      return { contentType: 'video/mp4', extension: 'mp4', ...videoOf(seed, sizeBytes) };
  }
}

export interface Digest {
  /** Hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Resolves with size and sha256 of the file of a media id; undefined for an id that the account never had. */
export async function digestOf(
  mediaId: string,
  appId: string,
  rendition: Rendition = 'plain',
): Promise<Digest | undefined> {
  const recipe = readMediaId(mediaId, appId);
  if (!recipe) return undefined;
  const content = contentOf(recipe, rendition);
  const hash = createHash('sha256');
  let hashedBytes = 0;
  for (const chunk of content.chunks()) {
    hash.update(chunk);
    hashedBytes += chunk.length;
    if (hashedBytes < 4 * 2 ** 20) continue;
    hashedBytes = 0;
    await nextTurn(); // a large file must not block other responses of this process
  }
  return { sha256: hash.digest('hex'), sizeBytes: content.sizeBytes };
}
