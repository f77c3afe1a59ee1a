/**
 * Media ids that look like WeChat's (64 characters of `[A-Za-z0-9_-]`) and carry everything needed to make the file
 * again: kind, seed, size, behaviour and birth. So a simulator that was killed and started again serves the same
 * bytes for an id it minted in its former life, and refuses every id it did not mint.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * The files the simulator can make. `voice16k` is what a voice message names in MediaId16K; `jssdkVoice` has a second,
 * better form at /media/get/jssdk; `silkVoice` is SILK under the name and type of AMR; the three files are WeCom's. Ids hold the position: add at the end, never reorder.
 */
export const SIMULATED_KINDS = [
  'image',
  'voice',
  'voice16k',
  'video',
  'shortvideo',
  'thumb',
  'jssdkVoice',
  'file',
  'jsonFile',
  'htmlFile',
  'silkVoice',
] as const;
export type SimulatedKind = (typeof SIMULATED_KINDS)[number];

/** Ids hold the position in this list: add at the end, never reorder. What each does: misbehaviour.ts. */
export const RESPONSE_FAULT_NAMES = [
  'none',
  'invalid',
  'errcode',
  'errcodeAsString',
  'errcodeWithControlCharacters',
  'systemBusy',
  'tokenRefused',
  'shortBody',
  'reset',
  'stall',
  'slow',
  'noLength',
  'chunked',
  'html200',
  'gzip',
  'wrongType',
  'lengthTooLarge',
  'emptyBody',
  'noDisposition',
  'oddDisposition',
  'http502',
  'videoUrl',
  'videoUrlEscaped',
  'videoUrlHtml',
  'errcodeAsText',
  'errcodeInBaseResp',
  'errcodeAfterBom',
  'errcodeZero',
  'tokenExpired',
  'busyThenInvalid',
  'longBody',
  'lengthTooSmall',
  'resetAtOnce',
  'closedAtOnce',
  'cutChunked',
  'trickle',
  'httpStatus',
  'noType',
  'oddType',
  'invalidLength',
  'noBaseName',
  'silkName',
  'noExtension',
  'fullWidthName',
  'pathTraversalName',
  'videoStream',
  'rangeIgnored',
  'rangeWrong',
  'redirect',
  'videoUrlLate',
  'videoUrlForbidden',
  'videoUrlShort',
  'videoUrlCut',
  'videoUrlRedirect',
  'videoUrlForeignHost',
  'videoUrlPrivate',
  'noResponse',
  'textBody',
  'truncatedErrcode',
  'htmlAsRange',
] as const;
export type ResponseFaultName = (typeof RESPONSE_FAULT_NAMES)[number];

export interface ResponseFault {
  readonly name: ResponseFaultName;
  /** How many tries see it before the answer becomes good; absent or 0: all of them. At most 255. */
  readonly times?: number;
  /** What the row of misbehaviour.ts says it means: an errcode, milliseconds, a count. A 32-bit integer. */
  readonly amount?: number;
}

export interface MediaRecipe {
  readonly kind: SimulatedKind;
  /** A 32-bit number; another seed is another file. */
  readonly seed: number;
  /**
   * Wanted size: the file is padded up to it, and never smaller than its natural size. Absent: natural. Only videos
   * and files are made as a stream; the others are whole in memory and at most 32 MiB.
   */
  readonly sizeBytes?: number;
  /** When WeChat "received" it; its life begins here. */
  readonly createdAt: Date;
  readonly fault?: ResponseFault;
  /** The account it was sent to, or the corp; no other can fetch it. */
  readonly appId: string;
}

const STREAMED: ReadonlySet<SimulatedKind> = new Set(['video', 'shortvideo', 'file']);
const WHOLE_BYTES_MAX = 32 * 2 ** 20;
const KEY = 'simulated media id';
const RECIPE_BYTES = 24;
const MEDIA_ID = /^[A-Za-z0-9_-]{64}$/;

const digest = (...parts: (string | Buffer)[]): Buffer => {
  const hmac = createHmac('sha256', KEY);
  for (const part of parts) hmac.update(part);
  return hmac.digest().subarray(0, RECIPE_BYTES);
};

/** Hides the recipe behind its own digest, so that neighbouring seeds give ids without resemblance. */
const masked = (recipe: Buffer, tag: Buffer): Buffer => {
  const mask = digest('mask', tag);
  return recipe.map((byte, index) => byte ^ mask[index]!) as Buffer;
};

/** The id of a file; the same recipe always gives the same id. Throws RangeError for numbers out of range. */
export function mintMediaId(recipe: MediaRecipe): string {
  const { name = 'none', times = 0, amount = 0 } = recipe.fault ?? {};
  const streamed = STREAMED.has(recipe.kind);
  if (!streamed && (recipe.sizeBytes ?? 0) > WHOLE_BYTES_MAX)
    throw new RangeError(`a simulated ${recipe.kind} has at most ${WHOLE_BYTES_MAX} bytes`);
  const plain = Buffer.alloc(RECIPE_BYTES);
  plain.writeUInt8(SIMULATED_KINDS.indexOf(recipe.kind), 0);
  plain.writeUInt8(RESPONSE_FAULT_NAMES.indexOf(name), 1);
  plain.writeUInt8(times, 2);
  plain.writeInt32BE(amount, 4);
  plain.writeUInt32BE(recipe.seed, 8);
  plain.writeUInt32BE(recipe.sizeBytes ?? 0, 12);
  plain.writeUIntBE(recipe.createdAt.getTime(), 16, 6);
  const tag = digest(recipe.appId, '\0', plain);
  return Buffer.concat([tag, masked(plain, tag)]).toString('base64url');
}

/** The recipe behind an id, or undefined for an id that was not minted for this account. */
export function readMediaId(mediaId: string, appId: string): MediaRecipe | undefined {
  if (!MEDIA_ID.test(mediaId)) return undefined;
  const bytes = Buffer.from(mediaId, 'base64url');
  const tag = bytes.subarray(0, RECIPE_BYTES);
  const plain = Buffer.from(masked(bytes.subarray(RECIPE_BYTES), tag));
  if (!timingSafeEqual(digest(appId, '\0', plain), tag)) return undefined;
  const kind = SIMULATED_KINDS[plain.readUInt8(0)];
  const name = RESPONSE_FAULT_NAMES[plain.readUInt8(1)];
  if (kind === undefined || name === undefined) return undefined;
  const sizeBytes = plain.readUInt32BE(12);
  return {
    kind,
    seed: plain.readUInt32BE(8),
    ...(sizeBytes > 0 && { sizeBytes }),
    createdAt: new Date(plain.readUIntBE(16, 6)),
    ...(name !== 'none' && { fault: { name, times: plain.readUInt8(2), amount: plain.readInt32BE(4) } }),
    appId,
  };
}
