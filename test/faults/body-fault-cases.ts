/** Cases of good files and of faults of the body. */
import { always, BROKEN, dead, type FaultCase, good, MIB, once } from './fault-case.ts';

export const FILE_CASES: readonly FaultCase[] = [
  good(
    'none',
    'a picture is archived',
    { contentType: 'image/jpeg', declaredType: 'image/jpeg' },
    { kind: 'image' },
  ),
  good('none', 'a thumb is archived', { contentType: 'image/jpeg' }, { kind: 'thumb' }),
  good(
    'none',
    'a large video is archived in parts',
    { contentType: 'video/mp4' },
    { kind: 'video', sizeBytes: 24 * MIB },
  ),
  good('none', 'a voice of 16 kHz is archived', {}, { kind: 'voice16k' }),
  good(
    'none',
    'the type of SILK under the name of AMR comes from the first bytes',
    {},
    { kind: 'silkVoice' },
  ),
  good('none', 'a JS-SDK voice is archived in its better form', { source: 'jssdk' }, { kind: 'jssdkVoice' }),
];

export const BODY_CASES: readonly FaultCase[] = [
  once('shortBody', /^body_too_short$/, 'once: the next attempt archives it'),
  once('shortBody', /^body_too_short$/, 'once, during an upload in parts: the next attempt archives it', {
    kind: 'video',
    sizeBytes: 24 * MIB,
  }),
  always('shortBody', /^body_too_short$/, 'always: half a file never becomes an object'),
  once('reset', BROKEN, 'once: the next attempt archives it'),
  once('reset', BROKEN, 'once, during an upload in parts: the next attempt archives it', {
    kind: 'video',
    sizeBytes: 24 * MIB,
  }),
  once('cutChunked', BROKEN, 'once: a missing last chunk counts as a cut'),
  always('cutChunked', BROKEN, 'always: half a file never becomes an object'),
  once('stall', /^timeout$/, 'once: the idle timeout ends the attempt'),
  once('stall', BROKEN, 'once, for 100 ms before the end: counts as a cut', { amount: 100 }),
  always('stall', /^timeout$/, 'always: the item expires and delays no other'),
  once('stall', /^timeout$/, 'once, during an upload in parts: the next attempt archives it', {
    kind: 'video',
    sizeBytes: 24 * MIB,
  }),
  once('closedAtOnce', /^network$/, 'once: the next attempt archives it'),
  once('resetAtOnce', /^network$/, 'once: the next attempt archives it'),
  once('noResponse', /^timeout$/, 'once: the idle timeout ends the attempt'),
  once('noResponse', /^network$/, 'once, for 100 ms before the end: the next attempt archives it', {
    amount: 100,
  }),
  good('slow', 'a delay below the idle timeout is no failure', {}, { amount: 300 }),
  good(
    'trickle',
    'pauses below the idle timeout are no failure, though longer in total',
    {},
    { amount: 220 },
  ),
  once('emptyBody', /^body_empty$/, 'once: an empty body is not archived'),
  once('emptyBody', /^body_empty$/, 'once, for a video: an empty body is not archived', { kind: 'video' }),
  once('html200', /^body_not_media$/, 'once: a page is not archived as a voice'),
  always('html200', /^body_not_media$/, 'always: a page never becomes an object', { kind: 'image' }),
  once('http502', /^http_status$/, 'once: the next attempt archives it'),
  once('httpStatus', /^http_status$/, 'once with 500: the next attempt archives it', { amount: 500 }),
  once('httpStatus', /^http_refused$/, 'once with 403: the next attempt archives it', { amount: 403 }),
  {
    ...dead('httpStatus', 404, /^http_refused$/, 'always 404: dead after three attempts'),
    attempts: 3,
    errcode: undefined!,
  },
  once('httpStatus', /^http_busy$/, 'once with 429: waits for the next minute without an attempt', {
    amount: 429,
    alone: true,
    attempts: 1,
  }),
  once('httpStatus', /^http_busy$/, 'once with 503: waits for the next minute without an attempt', {
    amount: 503,
    alone: true,
    attempts: 1,
  }),
  once('gzip', /^body_encoded$/, 'once: an encoding that was not accepted is not archived', {
    kind: 'image',
  }),
  always('gzip', /^body_encoded$/, 'always: compressed bytes never become an object'),
  once('lengthTooLarge', /^body_too_short$/, 'once: a file shorter than its length is not archived'),
  always('lengthTooLarge', /^body_too_short$/, 'always: a file of unproven length is never archived'),
  once('longBody', /^body_too_long$/, 'once: bytes after the announced length change nothing', {
    attempts: [1, 2],
  }),
  once('lengthTooSmall', /^body_too_long$/, 'once: the announced part is not archived as the file'),
  always('lengthTooSmall', /^body_too_long$/, 'always: a file cut by its own length never becomes an object'),
];
