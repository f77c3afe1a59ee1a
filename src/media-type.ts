/** What bytes are, by their first bytes. WeChat's own word for it (`text/jpeg`, SILK named `.amr`) is not to be had. */
import { fileTypeFromBuffer } from 'file-type';

export interface MediaType {
  readonly contentType: string;
  /** Without a dot. */
  readonly extension: string;
}

/** Voices as WeChat sends them, most of them unknown to file-type. Android prefixes SILK with a byte of its own. */
const VOICES: readonly (readonly [magic: string, type: MediaType])[] = [
  ['\x02#!SILK_V3', { contentType: 'audio/silk', extension: 'silk' }],
  ['#!SILK_V3', { contentType: 'audio/silk', extension: 'silk' }],
  ['#!AMR-WB\n', { contentType: 'audio/amr-wb', extension: 'awb' }],
  ['#!AMR\n', { contentType: 'audio/amr', extension: 'amr' }],
  ['Speex   ', { contentType: 'audio/speex', extension: 'spx' }],
];

/** What nearly all media are, as file-type names them: its whole walk over formats costs 20 µs, this one less than 1. */
function commonType(head: Uint8Array, start: string): MediaType | undefined {
  // 0xf7 in the fourth place is JPEG-LS.
  if (start.startsWith('\xff\xd8\xff') && head.length > 3 && head[3] !== 0xf7)
    return { contentType: 'image/jpeg', extension: 'jpg' };
  if (start.startsWith('ftypisom', 4) || start.startsWith('ftypmp42', 4))
    return { contentType: 'video/mp4', extension: 'mp4' };
  return undefined;
}

/** The type by magic bytes; undefined for what has none (text, HTML, raw speex frames). 4 KiB are plenty. */
export async function sniff(head: Uint8Array): Promise<MediaType | undefined> {
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 16)).toString('latin1');
  const voice = VOICES.find(([magic]) => start.startsWith(magic));
  if (voice) return voice[1];
  const common = commonType(head, start);
  if (common) return common;
  try {
    const found = await fileTypeFromBuffer(head);
    if (found) return { contentType: found.mime, extension: found.ext };
  } catch {
    // A parser that stumbles over hostile or cut bytes has not recognised them.
  }
  // A tag with a cover picture is longer than the head: what follows it is out of sight, and nearly always MP3.
  return start.startsWith('ID3') ? { contentType: 'audio/mpeg', extension: 'mp3' } : undefined;
}

const IMAGES = new Set([
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'image/bmp',
  'image/avif',
  'image/heic',
]);

/** Whether a browser may show it in place. SVG, HTML and everything unknown may carry a script: an attachment. */
export function isRenderable(contentType: string): boolean {
  return IMAGES.has(contentType) || /^(audio|video)\/[a-z0-9.+-]+$/.test(contentType);
}
