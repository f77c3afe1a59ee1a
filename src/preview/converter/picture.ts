/** Makes the thumbnail of a picture. Runs in the converter process. */
import sharp from 'sharp';
import { PICTURE_LIMIT_PIXELS, THUMBNAIL_PIXELS } from '../limits.ts';
import { PreviewRefusedError } from '../reasons.ts';

/** libvips reads about forty formats, some by large libraries; only these four are what users send as pictures. */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadNsgifBuffer',
  ],
});
// Every picture is another one, so a cache would only hold memory; two processes share the machine's cores.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Returns a WebP of at most 320 pixels a side: upright as EXIF says, without metadata, the first frame alone; a smaller
 * picture keeps its size. Pixels that are damaged or missing are grey, as browsers show them. Throws a
 * PreviewRefusedError.
 */
export async function convertPicture(bytes: Buffer): Promise<Buffer> {
  try {
    return await makeThumbnail(bytes);
  } catch (cause) {
    throw cause instanceof PreviewRefusedError ? cause : new PreviewRefusedError('damaged', { cause });
  }
}

async function makeThumbnail(bytes: Buffer): Promise<Buffer> {
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  if (width * height > PICTURE_LIMIT_PIXELS) throw new PreviewRefusedError('too_many_pixels');
  return await sharp(bytes, { limitInputPixels: PICTURE_LIMIT_PIXELS, failOn: 'none' })
    .autoOrient()
    .resize(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer();
}
