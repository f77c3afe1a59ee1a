/**
 * Media ids that look like WeChat's (64 characters of `[A-Za-z0-9_-]`) and contain everything needed to make the file
 * again: kind, seed, size, fault and time of creation. So a restarted simulator serves the same bytes for an id from
 * before its restart, and refuses every id that it did not mint.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * The kinds of files. `voice16k` is the voice of MediaId16K; `jssdkVoice` has a second, better form at
 * /media/get/jssdk; `silkVoice` is SILK under the name and type of AMR; `file`, `jsonFile` and
 * `htmlFile` are WeCom's. Ids contain the index: add at the end, never reorder.
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

/** Ids contain the index of this list: add at the end, never reorder. faults/response-faults.ts has what each does. */
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
  'noContentDisposition',
  'oddContentDisposition',
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
  /** The number of attempts that see the fault; absent or 0: all. At most 255. */
  readonly times?: number;
  /** An errcode, milliseconds or a count: faults/response-faults.ts has the meaning. A 32-bit integer. */
  readonly amount?: number;
}

export interface MediaRecipe {
  readonly kind: SimulatedKind;
  /** A 32-bit number; every seed is another file. */
  readonly seed: number;
  /**
   * The file is padded to this size, and never smaller than its natural size, which is the default. Only videos and
   * files are streamed; the others are in memory as a whole and have at most 32 MiB.
   */
  readonly sizeBytes?: number;
  /** When WeChat "received" it; its lifetime begins here. */
  readonly createdAt: Date;
  readonly fault?: ResponseFault;
  /** The app id of the account, or the corp id; no other account can download the file. */
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

/** Masks the recipe with its own digest, so that the ids of neighbouring seeds do not resemble each other. */
const masked = (recipe: Buffer, tag: Buffer): Buffer => {
  const mask = digest('mask', tag);
  return recipe.map((byte, index) => byte ^ mask[index]!) as Buffer;
};

/** Returns the id of a recipe, always the same for the same recipe. Throws RangeError for numbers out of range. */
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

/** Returns the recipe of an id, or undefined for an id that was not minted for this account. */
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
