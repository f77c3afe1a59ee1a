/** From a recipe to the file itself: the same bytes whenever and wherever it is made. */
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
  /** The sender's name of it, with the extension; only WeCom's files have one. */
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

/** `jssdk`: as /media/get/jssdk gives it. */
export type Rendition = 'plain' | 'jssdk';

/** The file of a recipe. */
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
      // WeChat says audio/amr and .amr of both.
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

/** What the file behind an id must be, for a judge; undefined for an id this account never had. */
export async function digestOf(
  mediaId: string,
  appId: string,
  rendition: Rendition = 'plain',
): Promise<Digest | undefined> {
  const recipe = readMediaId(mediaId, appId);
  if (!recipe) return undefined;
  const content = contentOf(recipe, rendition);
  const hash = createHash('sha256');
  let turnBytes = 0;
  for (const chunk of content.chunks()) {
    hash.update(chunk);
    turnBytes += chunk.length;
    if (turnBytes < 4 * 2 ** 20) continue;
    turnBytes = 0;
    await nextTurn(); // a large film must not hold up the answers of the same process
  }
  return { sha256: hash.digest('hex'), sizeBytes: content.sizeBytes };
}
