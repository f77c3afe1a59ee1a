/** From a recipe to the file itself: the same bytes whenever and wherever it is made. */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type MediaRecipe, readMediaId } from './media-id.ts';
import { pictureOf } from './pictures.ts';
import { videoOf } from './videos.ts';
import { voiceOf } from './voices.ts';

export interface Content {
  readonly contentType: string;
  /** Without the dot. */
  readonly extension: string;
  readonly sizeBytes: number;
  chunks(): Iterable<Buffer>;
}

const whole = (contentType: string, extension: string, bytes: Buffer): Content => ({
  contentType,
  extension,
  sizeBytes: bytes.length,
  chunks: () => [bytes],
});

/** The file of a recipe. */
export function contentOf(recipe: Pick<MediaRecipe, 'kind' | 'seed' | 'sizeBytes'>): Content {
  const { kind, seed, sizeBytes } = recipe;
  switch (kind) {
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
export async function digestOf(mediaId: string, appId: string): Promise<Digest | undefined> {
  const recipe = readMediaId(mediaId, appId);
  if (!recipe) return undefined;
  const content = contentOf(recipe);
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
