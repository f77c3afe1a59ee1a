/** The limits of previews. They bound the memory and the time that bytes of strangers can take. */

const MIB = 2 ** 20;

/** WeChat's voices end after 60 s and have at most 2 MB. A hostile AMR file of 10 MB took 28 s and 1.6 GB. */
export const VOICE_LIMIT_BYTES = 4 * MIB;
export const VOICE_LIMIT_SECONDS = 600;

export const PICTURE_LIMIT_BYTES = 32 * MIB;
/** A camera of a phone has up to 50 million pixels; a PNG of 100 KB can have 4 thousand million. */
export const PICTURE_LIMIT_PIXELS = 50_000_000;
/** The longer side of a thumbnail. */
export const THUMBNAIL_PIXELS = 320;

/** SILK has at most 24 kHz, and the decoder's own rates are 8 kHz (AMR) and 16 kHz (AMR-WB). */
export const SILK_SAMPLE_RATE = 24_000;
export const WAV_HEADER_BYTES = 44;

/** The longest voice at the highest rate, 28.8 MB. */
export const OUTPUT_LIMIT_BYTES = WAV_HEADER_BYTES + VOICE_LIMIT_SECONDS * SILK_SAMPLE_RATE * 2;

/** What a converter process may take. */
export interface ConverterLimits {
  /** From the call until the process has started. A machine that is busy starts it slowly. */
  readonly startMs: number;
  /**
   * CPU time of one conversion. A voice of ten minutes takes 0.7 to 2.3 s. Not the time that passes, which says more of
   * the machine than of the file.
   */
  readonly conversionCpuMs: number;
  /** The time that may pass during one conversion. */
  readonly conversionMs: number;
  /** Resident memory: 60 to 120 MB are usual, a picture of 12 million pixels included. */
  readonly memoryBytes: number;
}

export const CONVERTER_LIMITS: ConverterLimits = {
  startMs: 20_000,
  conversionCpuMs: 10_000,
  conversionMs: 60_000,
  memoryBytes: 320 * MIB,
};
